// Elements of the page, made in one expression.

export function element(tag, properties = {}, ...children) {
  const { style, ...rest } = properties;
  const made = Object.assign(document.createElement(tag), rest);
  for (const [name, value] of Object.entries(style ?? {})) made.style.setProperty(name, value);
  made.append(...children.filter((child) => child !== null));
  return made;
}

// Rows of cells, below a row of headings where there are some.
export function table(className, rows, headings = null) {
  const row = (cells) => element("tr", {}, ...cells);
  const head = headings?.map((text) => element("th", { scope: "col" }, text));
  return element(
    "table",
    { className },
    head ? element("thead", {}, row(head)) : null,
    element("tbody", {}, ...rows.map(row)),
  );
}

export const cell = (...children) => element("td", {}, ...children);
export const rowHeading = (...children) => element("th", { scope: "row" }, ...children);

// The sample of a colour. `shape` is one of the style sheet's.
export function swatch(shape, background, opacity = 1) {
  return element("i", { className: `swatch ${shape}`, style: { background, opacity } });
}
