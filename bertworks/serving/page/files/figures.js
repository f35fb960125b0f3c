// The fourth part: what the server counted, now and since it began.

import * as api from "./api.js";
import { element, fill, find, table } from "./dom.js";
import { milliseconds, number } from "./format.js";

const EVERY = 5000;
const WINDOW = 60; // Seconds that "now" looks back.

/** Looks now and again, while somebody does. Returns what ends it. */
export function start(model) {
  const live = find("live");
  const looks = []; // [when, figures], of the last minute
  let timer = null, ended = false;

  async function look() {
    clearTimeout(timer);
    if (ended) return;
    if (live.checked && !document.hidden) {
      try {
        const found = await api.figures(model);
        if (ended) return;
        const now = performance.now() / 1000;
        looks.push([now, found]);
        while (looks.length > 1 && now - looks[1][0] > WINDOW) looks.shift();
        show(looks);
      } catch (error) {
        fill(find("figures-content"), element("p", { class: "soft", text: `No figures: ${error.message}` }));
        if (error.status === 401 || error.status === 403 || error.status === 404) return;
      }
    }
    timer = setTimeout(look, EVERY);
  }
  live.onchange = look;
  look();
  return () => { ended = true; clearTimeout(timer); };
}

function show(looks) {
  const [began, first] = looks[0], [now, last] = looks[looks.length - 1];
  const seconds = now - began;
  const one = seconds > 0 ? less(last.seconds.one, first.seconds.one) : null;
  const answered = last.requests.answered - first.requests.answered;
  const refused = Object.values(last.turned_away).reduce((sum, count) => sum + count, 0);
  const tiles = [
    ["Requests a second", seconds > 0 ? number(answered / seconds, 2) : "–", `${number(last.requests.answered)} answered in all`],
    ["Latency, median", milliseconds(quantile(last.seconds.one, 0.5)), now60(one, 0.5)],
    ["Latency, p95", milliseconds(quantile(last.seconds.one, 0.95)), now60(one, 0.95)],
    ["Latency, p99", milliseconds(quantile(last.seconds.one, 0.99)), now60(one, 0.99)],
    ["Waiting", number(last.waiting), `${number(last.in_progress)} being answered`],
    ["Turned away", number(refused), `${number(last.requests.failed)} failed`],
  ];
  const reasons = Object.entries(last.turned_away).filter(([, count]) => count);
  fill(find("figures-content"),
    element("dl", { class: "tiles" }, ...tiles.map(([name, value, note]) =>
      element("div", { class: "tile" }, element("dt", { text: name }), element("dd", { text: value }),
        element("dd", { class: "note", text: note })))),
    element("p", { class: "soft", text: "Latency is of requests of one row, from a decoded request to its answer, since the server began." }),
    reasons.length ? table("Turned away, by reason", ["reason", "requests"], reasons.map(([reason, count]) =>
      [reason, number(count)]), [1]) : null,
    ...last.panels.map((panel) => element("div", {}, element("h3", { text: panel.title }),
      panel.text ? element("p", { text: panel.text }) : null,
      panel.rows.length ? table(panel.title, panel.head, panel.rows.map((row) =>
        row.map((cell) => (typeof cell === "number" ? number(cell) : cell))), panel.numeric) : null)));
}

const now60 = (buckets, share) => {
  const value = buckets === null ? null : quantile(buckets, share);
  return value === null ? "none in the last minute" : `${milliseconds(value)} in the last minute`;
};

/** Of cumulative histograms, what came between two looks. */
const less = (after, before) => after.map(([bound, count], place) => [bound, count - (before[place]?.[1] ?? 0)]);

/** A quantile of a cumulative histogram [[bound, count], …], linear within a bucket; null: it is empty. */
export function quantile(buckets, share) {
  const all = buckets.length ? buckets[buckets.length - 1][1] : 0;
  if (!all) return null;
  const wanted = share * all;
  let low = 0, below = 0;
  for (const [bound, count] of buckets) {
    if (count >= wanted) {
      if (bound === null) return low; // the last bucket has no upper end
      return low + (bound - low) * ((wanted - below) / Math.max(count - below, 1e-9));
    }
    [low, below] = [bound ?? low, count];
  }
  return low;
}
