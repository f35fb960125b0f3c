// Elements without HTML: all that is shown goes in as text, so that nobody's text becomes markup.

export const find = (id) => document.getElementById(id);

/** An element. `options`: `class`, `text`, and attributes by their names; false leaves one out. */
export function element(tag, options = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(options)) {
    if (name === "text") made.textContent = value;
    else if (name === "class") made.className = value;
    else if (value === true) made.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) made.setAttribute(name, value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

export const fill = (place, ...children) =>
  place.replaceChildren(...children.filter((child) => child !== null && child !== undefined));

/** A table that scrolls by itself where it is too wide. Cells are texts, numbers or elements. */
export function table(caption, head, rows, numeric = []) {
  const kind = (column) => (numeric.includes(column) ? "number" : "");
  const cell = (value, column) => {
    const made = element("td", { class: kind(column) });
    made.append(value instanceof Node ? value : String(value));
    return made;
  };
  const line = (row) => element("tr", {}, ...row.map(cell));
  const titles = head.map((title, column) =>
    element("th", { scope: "col", class: kind(column), text: title }));
  return element("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": caption },
    element("table", {},
      element("caption", { text: caption }),
      element("thead", {}, element("tr", {}, ...titles)),
      element("tbody", {}, ...rows.map(line))));
}

/** Terms and what they mean; `pairs` without a value are left out. */
export const terms = (pairs) =>
  element("dl", {}, ...pairs.filter(([, value]) => value !== "" && value !== null && value !== undefined)
    .flatMap(([term, value]) => {
      const told = element("dd");
      told.append(value instanceof Node ? value : String(value));
      return [element("dt", { text: term }), told];
    }));

export const list = (texts) =>
  element("ul", { class: "plain" }, ...texts.map((text) => element("li", { text })));
