// The state of the page, and what may be done to it.
// In: launches. Out: the page in the document; `window.timeline`, for scripts.
// Not here: how it looks (draw.js, panel.js, legend.js, page.css).

import { Picture } from "./draw.js";
import { bar, frame } from "./frame.js";
import { NONE } from "./launch.js";
import { legend } from "./legend.js";
import { Moves } from "./moves.js";
import { neighboursOf, spanAt } from "./neighbours.js";
import { Panel } from "./panel.js";
import { Found } from "./search.js";
import { Shades, Theme } from "./theme.js";
import { Tooltip } from "./tooltip.js";
import { GUTTER, View } from "./view.js";

const NEAR = 3; // pixels from the pointer to a span
const MARGIN = 3; // times a span's length around it, where the view shows it alone
const DRAWN = "drawn"; // the mark of the first draw in the browser's performance timeline
const NOBODY = { before: [], after: [], twins: [] };

export class Page {
  constructor(launches, root) {
    this.launches = launches;
    this.theme = new Theme(document.documentElement);
    this.parts = frame(this, root);
    this.picture = new Picture(this.parts.canvas);
    this.panel = new Panel(this.parts.panel, this);
    this.tooltip = new Tooltip(this.parts.tooltip);
    this.pathShown = true;
    this.open(0);
    this.moves = new Moves(this.parts.canvas, this);
    new ResizeObserver(() => this.#measure()).observe(this.parts.stage);
    this.theme.system.addEventListener("change", () => this.#repaint());
    this.#point();
    this.#measure();
  }

  // Shows a launch.
  open(number) {
    this.launch = this.launches[number];
    this.view = new View(this.launch);
    this.shades = new Shades(this.launch);
    this.chosen = this.hovered = this.found = null;
    this.neighbours = NOBODY;
    this.parts.search.value = "";
    bar(this);
    this.#repaint();
    if (this.moves) this.#measure();
  }

  get faded() {
    return this.found?.faded ?? null;
  }

  // Draws once before the next frame, however often it is called.
  changed() {
    this.due ??= requestAnimationFrame(() => {
      this.due = null;
      this.picture.draw(this);
      if (!performance.getEntriesByName(DRAWN).length) performance.mark(DRAWN);
    });
  }

  choose(trace, span, { reveal = false } = {}) {
    this.chosen = span === NONE ? null : { trace, span };
    this.neighbours = this.chosen ? neighboursOf(trace, span) : NOBODY;
    this.panel.show();
    if (this.chosen && reveal) this.#reveal();
    this.changed();
  }

  // The span before or after the chosen one, on its core.
  chooseNext(by) {
    if (!this.chosen) return;
    const { trace, span } = this.chosen;
    const next = span + by;
    if (trace.core[next] === trace.core[span]) this.choose(trace, next, { reveal: true });
  }

  find(word) {
    this.parts.search.value = word;
    this.found = word.trim() ? new Found(this.launch, word) : null;
    this.#tellFound();
    this.changed();
  }

  step(by) {
    const next = this.found?.step(by);
    if (next) this.choose(next.trace, next.span, { reveal: true });
    this.#tellFound();
  }

  fit() {
    this.view.row = null;
    this.view.scrollTo(0);
    this.moves.show(0, this.launch.makespan);
  }

  fitChosen() {
    if (!this.chosen) return;
    const { trace, span } = this.chosen;
    const around = MARGIN * Math.max(1, trace.length[span]);
    this.moves.show(trace.start[span] - around, trace.finish[span] + around);
  }

  togglePath() {
    this.pathShown = !this.pathShown;
    this.changed();
  }

  toggleTheme() {
    this.theme.choose(this.theme.name === "dark" ? "light" : "dark");
    this.#repaint();
  }

  toggleHelp() {
    const { help } = this.parts;
    if (help.open) help.close();
    else help.showModal();
  }

  askSearch() {
    this.parts.search.focus();
    this.parts.search.select();
  }

  // Back by one step: the search, then what is chosen.
  dismiss() {
    this.parts.search.blur();
    if (this.found) this.find("");
    else this.choose(null, NONE);
  }

  // The box of a span on the screen, in CSS pixels.
  box(trace, span) {
    const { left, top } = this.parts.canvas.getBoundingClientRect();
    const { y, height } = this.view.strip(trace.core[span], trace.side);
    const x = this.view.x(trace.start[span]);
    return { x: left + x, y: top + y, width: this.view.x(trace.finish[span]) - x, height };
  }

  #reveal() {
    const { trace, span } = this.chosen;
    const { view } = this;
    view.reveal(trace.core[span]);
    const length = trace.finish[span] - trace.start[span];
    const width = view.to - view.from;
    if (trace.start[span] >= view.from && trace.finish[span] <= view.to) return;
    const middle = (trace.start[span] + trace.finish[span]) / 2;
    const half = Math.max(width, 1.2 * length) / 2;
    this.moves.show(middle - half, middle + half);
  }

  #measure() {
    const { width, height } = this.parts.stage.getBoundingClientRect();
    this.view.resize(width, height);
    this.moves.measure();
    this.changed();
  }

  #repaint() {
    this.theme.apply();
    this.palette = this.theme.palette();
    this.parts.legend.replaceChildren(...legend(this));
    this.panel.show();
    this.changed();
  }

  #tellFound() {
    const { found } = this;
    const place = found?.at >= 0 ? `${found.at + 1} of ` : "";
    this.parts.found.textContent = found
      ? `${place}${found.tasks} ${found.tasks === 1 ? "task" : "tasks"}`
      : "";
  }

  #point() {
    const { canvas } = this.parts;
    canvas.addEventListener("pointermove", (event) => this.#hover(event));
    canvas.addEventListener("pointerleave", () => this.#hover(null));
    canvas.addEventListener("click", (event) => {
      const found = this.#under(event);
      this.choose(found?.trace, found?.span ?? NONE);
      this.#hover(event);
    });
    canvas.addEventListener("dblclick", (event) => (this.#under(event) ? this.fitChosen() : this.fit()));
  }

  #hover(event) {
    const still = event && !event.buttons;
    const found = still ? this.#under(event) : null;
    if (!isSame(found, this.hovered)) {
      this.hovered = found;
      this.changed();
    }
    if (still) this.#tell(found, event);
    else this.tooltip.hide();
  }

  // What is under the pointer. Of the chosen span the panel tells.
  #tell(found, { clientX, clientY, offsetX, offsetY }) {
    if (found && !isSame(found, this.chosen)) this.tooltip.span(found, this.shades, clientX, clientY);
    else if (this.view.isMemory(offsetX, offsetY)) {
      this.tooltip.memory(this.launch, this.view.moment(offsetX), clientX, clientY);
    } else this.tooltip.hide();
  }

  #under({ offsetX, offsetY }) {
    const row = this.view.at(offsetY);
    if (!row || offsetX < GUTTER) return null;
    const trace = this.launch.traces[row.side];
    const span = spanAt(trace, row.core, this.view.moment(offsetX), NEAR * this.view.nanosecondsPerPixel);
    return span === NONE ? null : { trace, span };
  }
}

function isSame(one, other) {
  return one?.trace === other?.trace && one?.span === other?.span;
}
