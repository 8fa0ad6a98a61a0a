// Where the page begins: the launches out of their text, then the page.
// `#kernel=mlp&from=0.001&to=0.002&task=3&theme=dark` in the address opens it there: seconds, a task's number.

import "./page.css";
import { Launch } from "./launch.js";
import { Page } from "./page.js";
import { unpack } from "./unpack.js";

const { document: facts, column } = await unpack(document.getElementById("launches").textContent);
const page = new Page(
  facts.launches.map((launch) => new Launch(launch, column)),
  document.body,
);
window.timeline = page;
goTo(new URLSearchParams(location.hash.slice(1)));

function goTo(asked) {
  const seconds = (name, otherwise) => (asked.has(name) ? Number(asked.get(name)) * 1e9 : otherwise);
  const named = page.launches.findIndex((launch) => launch.kernel === asked.get("kernel"));
  if (named > 0) page.open(named);
  if (asked.has("theme") && asked.get("theme") !== page.theme.name) page.toggleTheme();
  if (asked.has("from") || asked.has("to")) {
    page.moves.show(seconds("from", 0), seconds("to", page.launch.makespan), { still: true });
  }
  if (asked.has("task")) {
    const trace = page.launch.traces.at(-1);
    const [span] = trace.runsOf(Number(asked.get("task")));
    if (span !== undefined) page.choose(trace, span);
  }
}
