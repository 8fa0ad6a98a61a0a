// One launch of a kernel: what its tasks are, who needs whom, and its traces as columns.
// In: the document and columns of unpack.js, as visual/page_data.py lays them out. Out: `Launch`, `Trace`.
// Not here: pixels.

import { bisectRight } from "d3-array";

export const RUN = 0,
  WAIT = 1,
  BARRIER = 2,
  TICKET = 3,
  CHANNEL = 4;
export const NONE = -1;

export class Launch {
  constructor(facts, column) {
    Object.assign(this, facts);
    this.form = column(facts.form);
    this.number = column(facts.number);
    this.deps = new Deps(facts.deps, column, this.form.length);
    this.traces = facts.traces.map((trace, side) => new Trace(trace, column, this, side));
  }

  get tasks() {
    return this.form.length;
  }

  callOfTask(task) {
    return this.calls[this.forms[this.form[task]].call];
  }

  taskName(task) {
    return `${this.callOfTask(task).name}#${this.number[task]}`;
  }

  // Per name of a task how many there are, and their nanoseconds in each trace; those with the most time first.
  get totals() {
    this.summed ??= totals(this);
    return this.summed;
  }

  // The share of all cores' time in which tasks run.
  busy({ side, makespan }) {
    const sum = this.totals.reduce((before, { time }) => before + time[side], 0);
    return sum / (this.cores * Math.max(1, makespan));
  }

  // The longest time of all traces: what the whole view shows.
  get makespan() {
    return Math.max(1, ...this.traces.map((trace) => trace.makespan));
  }
}

export class Trace {
  constructor(facts, column, launch, side) {
    Object.assign(this, facts);
    this.launch = launch;
    this.side = side;
    this.kind = column(facts.kind);
    this.size = this.kind.length;
    const place = placesByKind(this.kind, facts.kinds.length);
    for (const name of ["gap", "length", "task", "dep", "call", "iteration"]) {
      this[name] = inPlace(column(facts[name]), place);
    }
    this.#times();
    const { path, memory } = facts;
    this.path = new Path(path, column);
    this.memory = { moment: column(memory.moment), bytes: column(memory.bytes) };
  }

  #times() {
    this.first = [0];
    for (const count of this.perCore) this.first.push(this.first.at(-1) + count);
    this.start = new Float64Array(this.size);
    this.finish = new Float64Array(this.size);
    this.core = new Int32Array(this.size);
    for (let core = 0; core < this.perCore.length; core++) {
      let moment = 0;
      for (let span = this.first[core]; span < this.first[core + 1]; span++) {
        this.core[span] = core;
        this.start[span] = moment + this.gap[span];
        moment = this.finish[span] = this.start[span] + this.length[span];
      }
    }
  }

  nameOf(span) {
    const task = this.task[span];
    return task >= 0 ? this.launch.taskName(task) : this.launch.calls[this.call[span]].name;
  }

  // The spans that ran a task. Sorted out at the first question, as all that loading does not need.
  runsOf(task) {
    this.byTask ??= new Groups(this.task, this.launch.tasks);
    return this.byTask.of(task);
  }

  // Those of one iteration: several if it waited in channels.
  runsIn(task, iteration) {
    return this.runsOf(task).filter((span) => this.iteration[span] === iteration);
  }

  // The first span of a core that ends after a moment.
  firstAfter(core, moment) {
    return bisectRight(this.finish, moment, this.first[core], this.first[core + 1]);
  }
}

// The way back from the end of the launch, in order of time: on which core, why, and in which span (NONE: in no
// span) each stretch of it lies.
class Path {
  constructor(facts, column) {
    this.causes = facts.causes;
    for (const name of ["core", "cause", "span", "start", "finish"]) this[name] = column(facts[name]);
  }

  // Nanoseconds by cause; together they are the makespan.
  get byCause() {
    const sums = this.causes.map(() => 0);
    for (let i = 0; i < this.cause.length; i++) sums[this.cause[i]] += this.finish[i] - this.start[i];
    return sums;
  }

  // The nanoseconds of it that lie in a span.
  within(span) {
    if (!this.lengths) {
      this.lengths = new Map();
      this.span.forEach((at, i) =>
        this.lengths.set(at, (this.lengths.get(at) ?? 0) + this.finish[i] - this.start[i]),
      );
    }
    return this.lengths.get(span) ?? 0;
  }
}

// Hyperedges: all consumers start after all producers have ended.
class Deps {
  constructor(facts, column, tasks) {
    this.kinds = facts.kinds;
    for (const name of ["kind", "distance", "tensor", "producers", "consumers"])
      this[name] = column(facts[name]);
    this.producerFirst = sums(column(facts.producerCount));
    this.consumerFirst = sums(column(facts.consumerCount));
    this.tasks = tasks;
  }

  producersOf(dep) {
    return this.producers.subarray(this.producerFirst[dep], this.producerFirst[dep + 1]);
  }

  consumersOf(dep) {
    return this.consumers.subarray(this.consumerFirst[dep], this.consumerFirst[dep + 1]);
  }

  // The dependences that a task waits for.
  before(task) {
    this.byConsumer ??= new Groups(this.consumers, this.tasks, owners(this.consumerFirst));
    return this.byConsumer.of(task);
  }

  // Those that others wait for it in.
  after(task) {
    this.byProducer ??= new Groups(this.producers, this.tasks, owners(this.producerFirst));
    return this.byProducer.of(task);
  }
}

function totals(launch) {
  const perForm = launch.forms.map(() => ({ count: 0, time: launch.traces.map(() => 0) }));
  const { form } = launch;
  for (let task = 0; task < form.length; task++) perForm[form[task]].count++;
  for (const { side, kind, task, length } of launch.traces) {
    for (let span = 0; span < kind.length; span++) {
      if (kind[span] === RUN) perForm[form[task[span]]].time[side] += length[span];
    }
  }
  const byName = new Map();
  perForm.forEach(({ count, time }, i) => {
    const { name } = launch.calls[launch.forms[i].call];
    if (!byName.has(name)) byName.set(name, { name, count: 0, time: time.map(() => 0) });
    const sum = byName.get(name);
    sum.count += count;
    time.forEach((nanoseconds, side) => (sum.time[side] += nanoseconds));
  });
  return [...byName.values()].sort((a, b) => b.time.at(-1) - a.time.at(-1) || a.name.localeCompare(b.name));
}

// Positions (or what stands at them in `items`) by value, in order; negative values are in no group.
class Groups {
  constructor(values, count, items = null) {
    const sizes = new Int32Array(count);
    for (const value of values) if (value >= 0) sizes[value]++;
    this.first = sums(sizes);
    this.items = new Int32Array(this.first[count]);
    const next = this.first.slice(0, count);
    for (let i = 0; i < values.length; i++) {
      if (values[i] >= 0) this.items[next[values[i]]++] = items ? items[i] : i;
    }
  }

  of(value) {
    return Array.from(this.items.subarray(this.first[value], this.first[value + 1]));
  }
}

function sums(counts) {
  const first = new Int32Array(counts.length + 1);
  for (let i = 0; i < counts.length; i++) first[i + 1] = first[i] + counts[i];
  return first;
}

function owners(first) {
  const owner = new Int32Array(first.at(-1));
  for (let group = 0; group + 1 < first.length; group++) owner.fill(group, first[group], first[group + 1]);
  return owner;
}

// Of each span its place among all spans in order of kind.
function placesByKind(kind, kinds) {
  const sizes = new Int32Array(kinds);
  for (const value of kind) sizes[value]++;
  const next = sums(sizes);
  const place = new Int32Array(kind.length);
  for (let span = 0; span < kind.length; span++) place[span] = next[kind[span]]++;
  return place;
}

function inPlace(values, place) {
  const placed = new values.constructor(values.length);
  for (let span = 0; span < place.length; span++) placed[span] = values[place[span]];
  return placed;
}
