// The third part: the model card.

import { element, fill, find, list, table, terms } from "./dom.js";
import { number } from "./format.js";

const MOST = 30; // Rows of a table, at most; `bertworks models card` prints all.

/** Shows a card. */
export function show(card) {
  fill(find("card-content"),
    card.use ? element("p", { text: card.use }) : null,
    section("What it does", does(card.does)),
    card.limits.length ? section("Limits", list(card.limits)) : null,
    card.measured ? section("How good it is", ...measured(card.measured)) : null,
    card.gated ? section("Gates", ...gated(card.gated)) : null,
    card.learned_from ? section("Data", ...learned(card.learned_from)) : null,
    section("Licences", terms([
      ["Agent", card.licences.agent || "not said"], ["Encoder", card.licences.base || "not known"],
      ["Data", card.licences.data.join("; ") || "not said"]])),
    section("How it was made", ...made(card)),
    card.missing.length ? section("Not known", list(card.missing)) : null,
    card.contact ? section("Contact", element("p", { text: card.contact })) : null);
}

const section = (title, ...content) => element("div", {}, element("h3", { text: title }), ...content);

const between = (one) => (one.low === null ? "" : `${one.low.toFixed(3)} to ${one.high.toFixed(3)}`);

const spoken = (name) => name.replaceAll("_", " ");

function does(task) {
  const forms = { text: "one text", pair: "two texts", words: "the words of a text",
    turn: "what was said, and its words",
    turn_in_context: "what was said, and its words, after what was said before" };
  return terms([
    ["Task", `${spoken(task.task)} of ${forms[task.form] ?? task.form}${task.several ? ", several labels a row" : ""}`],
    ["Labels", task.labels.length ? `${task.labels.length}: ${task.labels.slice(0, MOST).join(", ")}` +
      (task.labels.length > MOST ? " …" : "") : ""],
    ["Reads", `${number(task.most_tokens)} tokens of a row at most`],
    ["Answers also say", task.answers.map(spoken).join(", ")],
  ]);
}

function measured(found) {
  const overall = table("On test rows", ["metric", "value", "95 %", "rows"],
    found.metrics.map((one) => [spoken(one.name), one.value.toFixed(4), between(one), number(one.rows)]), [1, 2, 3]);
  const slices = found.slices.filter((one) => one.name === found.judged_by).slice(0, MOST);
  const labels = Object.entries({ ...found.labels, ...found.entities })
    .filter(([name]) => !name.endsWith(" average")).slice(0, MOST);
  return [overall,
    slices.length ? folded(`By slice: ${spoken(found.judged_by)}`, ["slice", "value", "95 %", "rows"],
      slices.map((one) => [one.slice, one.value.toFixed(4), between(one), number(one.rows)]), [1, 2, 3]) : null,
    labels.length ? folded("By label", ["label", "precision", "recall", "F1", "rows"],
      labels.map(([name, one]) => [name, one.precision.toFixed(3), one.recall.toFixed(3), one.f1.toFixed(3),
        number(one.support)]), [1, 2, 3, 4]) : null];
}

const folded = (title, head, rows, numeric) =>
  element("details", {}, element("summary", { text: title }), table(title, head, rows, numeric));

function gated(found) {
  const outcome = { promoted: ["passed", "good"], kept: ["the champion stays", "warn"], refused: ["refused", "bad"] };
  const [word, kind] = outcome[found.outcome] ?? [found.outcome, "soft"];
  const value = (one) => (one === null ? "–" : number(one));
  return [
    element("p", {}, element("span", { class: `badge ${kind}`, text: word })),
    table("Rules", ["rule", "value", "limit", "outcome"], found.rules.map((rule) => [spoken(rule.name), value(rule.value),
      value(rule.limit), rule.passed ? (rule.judged ? "met" : "not judged") : "not met"]), [1, 2]),
    found.reasons.length ? list(found.reasons) : null];
}

function learned(data) {
  const splits = Object.entries(data.rows).map(([split, rows]) => `${number(rows)} ${split}`);
  const count = (value) => (value === null ? "" : number(value));
  const labels = Object.entries(data.label_rows).slice(0, MOST);
  return [
    terms([["Rows", splits.join(", ")], ["Read", count(data.read)], ["Repeats merged", count(data.duplicates)],
      ["Dropped, labels conflict", count(data.conflicts)], ["Refused", count(data.rejected)]]),
    data.sources.length ? table("Sources", ["source", "rows", "licence"], data.sources.map((one) =>
      [one.uri, one.rows === null ? "–" : number(one.rows), one.license || "–"]), [1]) : null,
    labels.length ? folded("Rows by label", ["label", "rows"], labels.map(([name, rows]) => [name, number(rows)]), [1])
      : null];
}

function made(card) {
  const from = card.made_from;
  const speed = (value, unit) => (value === null ? "" : `${number(value, 3)} ${unit}`);
  return [
    terms([["Encoder", from.base], ["Engine", from.engine], ["Size", `${from.size_mb.toFixed(1)} MB`],
      ["One row, median", speed(from.latency_ms, "ms")], ["One row, p95", speed(from.p95_ms, "ms")],
      ["In batches", speed(from.rows_per_second, "rows/s")],
      ["Version", card.version === null ? "" : String(card.version)], ["Kept", from.created],
      ["Digest", element("code", { text: card.digest.slice(0, 16) })]]),
    from.candidates.length ? folded("What was tried", ["graph", "on validation", "lost", "MB", "chosen"],
      from.candidates.map((one) => [one.name, one.metric === null ? "–" : one.metric.toFixed(4),
        one.drop === null ? "–" : one.drop.toFixed(4), one.size_mb === null ? "–" : one.size_mb.toFixed(1),
        one.chosen ? "yes" : "no"]), [1, 2, 3]) : null];
}
