// One answer: bars of probabilities, a number, entities in their text, or documents.

import { element } from "./dom.js";
import { Points, number, percent } from "./format.js";

const MOST_BARS = 12;

/** What to show of an answer. `texts`: what was asked; `choose(wanted, name)`: explains a part of it. */
export function shown(answer, texts, choose) {
  const parts = [];
  if (answer.held) parts.push(given("This answer is held back: somebody has to look at it first."));
  else if (answer.tags !== undefined) parts.push(...tagged(answer, texts[0], choose));
  else if (answer.documents !== undefined) parts.push(...matched(answer, choose));
  else if (answer.scores === undefined) parts.push(given(`Score: ${number(answer.score)}`));
  else parts.push(...labelled(answer, choose));
  parts.push(flags(answer));
  return parts;
}

/** An answer in a few words, for a table. */
export const short = (answer) =>
  answer.held ? "held for review" : answer.tags !== undefined
    ? [answer.intent, ...answer.entities.map((one) => `${one.text} (${one.type})`)]
      .filter((one) => one !== undefined).join("; ")
    : answer.documents !== undefined ? (answer.document ? answer.documents[0].text : "nothing fits")
    : answer.label ?? (answer.labels ? answer.labels.join("; ") : number(answer.score));

const given = (text) => element("p", { class: "given", text });

function labelled(answer, choose) {
  const several = answer.labels !== undefined;
  const best = several ? answer.labels : [answer.label];
  const title = several
    ? `Labels: ${answer.labels.join(", ") || "none"}`
    : `${answer.label}: ${percent(answer.score)}`;
  const ranked = Object.entries(answer.scores).sort((one, other) => other[1] - one[1]);
  const left = ranked.length - MOST_BARS;
  const more = left > 0 ? [element("p", { class: "soft", text: `and ${left} labels with less` })] : [];
  return [given(title), bars(ranked.slice(0, MOST_BARS), best, choose), ...more];
}

function bars(ranked, best, choose) {
  const rows = ranked.map(([label, score]) => {
    const filled = element("span", { class: "fill" });
    filled.style.inlineSize = `${100 * score}%`; // CSSOM: what the policy forbids is style in HTML
    const name = element("button", { type: "button", class: "link", text: label,
      "aria-label": `${label}: which words mattered?` });
    name.addEventListener("click", () => choose({ label }, label));
    return element("tr", {},
      element("th", { scope: "row", class: best.includes(label) ? "best" : "" }, name),
      element("td", { "aria-hidden": "true" }, element("span", { class: "track" }, filled)),
      element("td", { class: "value", text: percent(score) }));
  });
  return element("table", { class: "bars" },
    element("caption", { class: "soft", text: "Probability of each label" }),
    element("tbody", {}, ...rows));
}

function matched(answer, choose) {
  const title = given(answer.document ? answer.documents[0].text : "No document fits.");
  const rows = answer.documents.map((one) => {
    const name = element("button", { type: "button", class: "link", text: one.text,
      "aria-label": `${one.text}: which words mattered?` });
    name.addEventListener("click", () => choose({ label: one.id }, one.text));
    return element("tr", {},
      element("th", { scope: "row", class: one.id === answer.document ? "best" : "" }, name),
      element("td", { class: "soft", text: one.fits ? "" : "does not fit" }),
      element("td", { class: "value", text: number(one.score) }));
  });
  return [title, element("table", { class: "bars" },
    element("caption", { class: "soft", text: "The nearest documents, and the cosine of each" }),
    element("tbody", {}, ...rows))];
}

function tagged(answer, text, choose) {
  const points = new Points(text);
  const place = element("div", { class: "text" });
  let end = 0;
  for (const entity of answer.entities) {
    place.append(points.part(end, entity.start),
      element("mark", {}, points.part(entity.start, entity.end), element("small", { text: entity.type })));
    end = entity.end;
  }
  place.append(points.part(end, points.length));
  const rows = answer.entities.map((entity, index) => {
    const name = element("button", { type: "button", class: "link", text: entity.text,
      "aria-label": `${entity.text}: which words mattered?` });
    name.addEventListener("click", () => choose({ entity: index }, entity.text));
    return element("tr", {}, element("th", { scope: "row" }, name),
      element("td", { text: entity.type }), element("td", { class: "value", text: percent(entity.score) }));
  });
  const count = answer.entities.length;
  const counted = given(count === 1 ? "1 entity" : `${count || "No"} entities`);
  const title = answer.intent === undefined ? [counted] : [intended(answer, choose), counted];
  if (!count) return [...title, place];
  return [...title, place, element("table", { class: "bars" },
    element("caption", { class: "soft", text: "Entities, and how sure each is" }),
    element("tbody", {}, ...rows))];
}

function intended(answer, choose) {
  const name = element("button", { type: "button", class: "link", text: answer.intent,
    "aria-label": `${answer.intent}: which words mattered?` });
  name.addEventListener("click", () => choose({ label: answer.intent }, answer.intent));
  return element("p", { class: "given" }, "Intent: ", name, `, ${percent(answer.intent_score)}`);
}

function flags(answer) {
  const told = [];
  if (answer.truncated) told.push(["the end was not read", "warn"]);
  if (answer.out_of_scope) told.push(["like nothing that it learned from", "warn"]);
  if (answer.held || answer.flagged) told.push([`${answer.held ? "held" : "flagged"}: ${answer.reason}`, "warn"]);
  if (answer.confident === true) told.push(["confident", "good"]);
  if (answer.confident === false) told.push(["not confident", "warn"]);
  if (answer.set && answer.set.length > 1) told.push([`one of: ${answer.set.join(", ")}`, "soft"]);
  if (!told.length) return null;
  return element("ul", { class: "flags", "aria-label": "What else the agent says" },
    ...told.map(([text, kind]) => element("li", { class: kind, text })));
}
