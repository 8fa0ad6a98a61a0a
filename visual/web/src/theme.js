// Colours, light and dark, and which of them a span has; fonts of the canvas.
// In: a launch. Out: palettes of red, green, blue. Not here: what is drawn with them (the style sheet has the rest).
//
// Tasks have the fills of Paul Tol's "light" scheme (Colour Schemes, SRON/EPS/TN/09-002), which are told apart
// under every colour blindness and bear dark text. Names beyond the scheme share its grey.

import { RUN } from "./launch.js";

const TASKS = ["#77aadd", "#ee8866", "#44bb99", "#eedd88", "#ffaabb", "#bbcc33", "#99ddff", "#aaaa00"];
const OTHERS = "#c8c8c8";
const FADED = 0.18;
export const FONT = "12px system-ui, sans-serif",
  SMALL = "11px system-ui, sans-serif";

// Per kind of span that is no run, from WAIT on.
const WAITS = {
  light: ["#8d96a3", "#4d5561", "#b59a6a", "#7f8fbf"],
  dark: ["#79828f", "#b4bcc8", "#a58f66", "#8795c4"],
};

export class Theme {
  constructor(root) {
    this.root = root;
    this.asked = null;
    this.system = matchMedia("(prefers-color-scheme: dark)");
    this.apply();
  }

  get name() {
    return this.asked ?? (this.system.matches ? "dark" : "light");
  }

  choose(name) {
    this.asked = name;
    this.apply();
  }

  apply() {
    this.root.dataset.theme = this.name;
  }

  // A colour of the style sheet.
  colour(variable) {
    return getComputedStyle(this.root).getPropertyValue(`--${variable}`).trim();
  }

  get waits() {
    return WAITS[this.name];
  }

  // Red, green and blue of each shade; behind them the same, faded, for what a search leaves out.
  palette() {
    const ground = parsed(this.colour("ground"));
    const shades = [...TASKS, OTHERS, ...this.waits].map(parsed);
    const faded = shades.map((shade) => shade.map((part, i) => ground[i] + (part - ground[i]) * FADED));
    return { ground, shades: Float32Array.from([...shades, ...faded].flat()), count: shades.length };
  }
}

export const fillOf = (shade) => TASKS[shade] ?? OTHERS;

// The shade of each name, the first ones for those with the most time; and of each span of each trace.
export class Shades {
  constructor(launch) {
    this.ofName = new Map(launch.totals.map(({ name }, i) => [name, Math.min(i, TASKS.length)]));
    this.ofForm = launch.forms.map((form) => this.ofName.get(launch.calls[form.call].name) ?? TASKS.length);
    this.ofSpan = launch.traces.map(({ kind, task }) => {
      const shades = new Uint8Array(kind.length);
      for (let span = 0; span < kind.length; span++) {
        shades[span] = kind[span] === RUN ? this.ofForm[launch.form[task[span]]] : TASKS.length + kind[span];
      }
      return shades;
    });
  }
}

function parsed(colour) {
  const number = parseInt(colour.slice(1), 16);
  return [number >> 16, (number >> 8) & 255, number & 255];
}
