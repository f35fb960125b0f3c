// The fields that a row of the model's task is typed into, and the row that they make.

import { element, find, fill } from "./dom.js";

const TITLES = { text: "Text", text_a: "First text", text_b: "Second text",
  context: "What was said before (may be empty)" };

/** Puts the fields for a card's task into the page. `sent`: called where Ctrl+Enter sends the form. */
export function lay(does, sent) {
  const fields = does.inputs.flatMap((name) => {
    const area = element("textarea", { id: `field-${name}`, rows: does.inputs.length > 1 ? "2" : "4",
      required: name !== "context" });
    area.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) sent();
    });
    return [element("label", { for: area.id, text: TITLES[name] ?? name }), area];
  });
  fill(find("fields"), ...fields);
}

/** The texts as they are typed. */
export const texts = (does) => does.inputs.map((name) => find(`field-${name}`).value);

/** A row as the V1 protocol takes it. */
export const instance = (does, given) => (does.inputs.length > 1 ? given : given[0]);
