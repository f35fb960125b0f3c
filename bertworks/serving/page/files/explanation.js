// Which words mattered: the text with each part's effect, and the same as a table.

import { element, table } from "./dom.js";
import { Points, signed } from "./format.js";

const LISTED = 12;

/** What to show of an explanation of `name`. `texts`: what was asked. */
export function shown(explanation, texts, name) {
  const split = texts.map((text) => new Points(text));
  const most = Math.max(...explanation.parts.map((part) => Math.abs(part.effect)), 1e-9);
  const marked = split.map((points, number) =>
    highlighted(points, explanation.parts.filter((part) => part.text === number), most));
  const ranked = [...explanation.parts].sort((one, other) => Math.abs(other.effect) - Math.abs(one.effect));
  const rows = ranked.slice(0, LISTED).map((part) => [
    split[part.text].part(part.start, part.end), part.effect >= 0 ? "for" : "against", signed(part.effect),
  ]);
  const falls = explanation.unit === "log-odds" ? "the log-odds fall" : "the score falls";
  return [
    element("h3", { text: `Which words mattered for ${name ?? explanation.target}` }),
    element("p", { class: "soft" },
      `A line under a word: it speaks for the answer; a dashed line: against it. Asked ${explanation.asked} ` +
      `times, each time without one part. Its effect is how much ${falls} without it. ` +
      "This shows what the answer hangs on, not what is true."),
    ...marked,
    rows.length ? table("The parts that mattered most", ["part", "speaks", "effect"], rows, [2]) : null,
  ];
}

function highlighted(points, parts, most) {
  const place = element("div", { class: "text" });
  let end = 0;
  for (const part of parts) {
    place.append(points.part(end, part.start), word(points.part(part.start, part.end), part.effect, most));
    end = part.end;
  }
  place.append(points.part(end, points.length));
  return place;
}

function word(text, effect, most) {
  const weight = Math.abs(effect) / most;
  if (weight < 0.05) return document.createTextNode(text);
  const kind = effect > 0 ? "for" : "against";
  const made = element("span", { class: `word ${kind}`, text });
  made.style.borderBottomColor = `rgba(var(--${kind}), ${0.35 + 0.65 * weight})`;
  made.style.backgroundColor = `rgba(var(--${kind}), ${0.3 * weight})`;
  return made;
}
