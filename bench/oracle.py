"""The best makespan of a small problem, proved by OR-Tools' CP-SAT.

In:  a `Problem`. Out: an `Optimum`. Not here: the cost model, which is `Problem`'s (see `play`); here it
     is written once more, as constraints.

Caches are taken to be large enough for all that goes through them. Seconds become whole numbers, at a
millionth of what one core would need for all.
"""

from __future__ import annotations

from dataclasses import dataclass

from ortools.sat.python import cp_model

from mpmd.schedule.problem import Problem

UNITS = 1_000_000


@dataclass(frozen=True, slots=True)
class Optimum:
    """`seconds` is the makespan of the best schedule found; `proved` whether there is none better."""

    seconds: float
    bound: float
    proved: bool
    core: tuple[int, ...]
    sequence: tuple[int, ...]


def optimum(problem: Problem, *, most: float, seconds: float, workers: int = 1) -> Optimum:
    """`most` is a makespan that can be had; the search ends after so many `seconds`, proved or not."""
    scale = UNITS / most
    model = cp_model.CpModel()
    tasks, cores = range(len(problem)), range(problem.cores)
    horizon = UNITS + 2 * len(problem)
    on = [[model.new_bool_var("") for _ in cores] for _ in tasks]
    start = [model.new_int_var(0, horizon, "") for _ in tasks]
    finish = [model.new_int_var(0, horizon, "") for _ in tasks]
    makespan = model.new_int_var(0, horizon, "")
    producers = _producers(problem)
    latency = round(problem.latency * scale)
    together: dict[tuple[int, int], cp_model.IntVar] = {}
    intervals: list[list[cp_model.IntervalVar]] = [[] for _ in cores]

    def same(dep: int, task: int, core: int) -> cp_model.IntVar:
        """Whether all producers of a dependence and the task are on that core."""
        found = model.new_bool_var("")
        for other in [*producers[dep], task]:
            model.add_implication(found, on[other][core])
        return found

    for task in tasks:
        model.add_exactly_one(on[task])
        model.add(makespan >= finish[task])
        for core in cores:
            kind = problem.kind[core]
            if kind not in problem.able[task]:
                model.add(on[task][core] == 0)
                continue
            length = model.new_int_var(0, horizon, "")
            fixed = problem.task_seconds[kind]
            least = round((problem.compute[kind][task] + fixed) * scale)
            model.add(length >= least).only_enforce_if(on[task][core])
            moving: list[cp_model.LinearExprT] = [round((problem.memory[kind][task] + fixed) * scale)]
            for dep, size in problem.flows[task]:
                near, away = (round(size * rate * scale) for rate in (problem.near[kind], problem.away))
                moving.append(away + (near - away) * same(dep, task, core))
            model.add(length >= sum(moving)).only_enforce_if(on[task][core])
            intervals[core].append(
                model.new_optional_interval_var(start[task], length, finish[task], on[task][core], "")
            )
        for dep in problem.links.consumed[task]:
            for producer in producers[dep]:
                key = (producer, task)
                if key not in together:
                    together[key] = model.new_bool_var("")
                    for core in cores:
                        model.add(on[producer][core] == on[task][core]).only_enforce_if(together[key])
                    model.add(start[task] >= finish[producer])
                    model.add(start[task] >= finish[producer] + latency).only_enforce_if(~together[key])
    for row in intervals:
        model.add_no_overlap(row)
    model.minimize(makespan)
    solver = cp_model.CpSolver()
    solver.parameters.num_workers = workers
    solver.parameters.max_time_in_seconds = seconds
    solver.parameters.random_seed = 1
    status = solver.solve(model)
    if status not in (cp_model.OPTIMAL, cp_model.FEASIBLE):
        return Optimum(most, solver.best_objective_bound / scale, False, (), ())
    core = tuple(next(c for c in cores if solver.value(on[task][c])) for task in tasks)
    order = tuple(sorted(tasks, key=lambda t: (solver.value(start[t]), t)))
    proved = status == cp_model.OPTIMAL
    return Optimum(solver.objective_value / scale, solver.best_objective_bound / scale, proved, core, order)


def _producers(problem: Problem) -> list[list[int]]:
    found: list[list[int]] = [[] for _ in problem.links.producers]
    for task, deps in enumerate(problem.links.produced):
        for dep in deps:
            found[dep].append(task)
    return found
