// The first part of the page: one row, its answer, and why.

import * as api from "./api.js";
import * as answers from "./answer.js";
import * as explanations from "./explanation.js";
import * as rows from "./rows.js";
import { element, fill, find, table } from "./dom.js";
import { percent } from "./format.js";

/** Has the form ask `model`. `told(error)`: shows what went wrong. */
export function start(model, card, told) {
  const does = card.does;
  const form = find("ask"), explain = find("explain"), similar = find("similar");
  let asked = null; // The texts that the answer on the page is to.
  let turn = 0; // What comes late, after a newer question, is not shown.

  rows.lay(does, () => form.requestSubmit());
  similar.hidden = !card.server.similar;

  const clear = () => ["answer", "explanation", "neighbours"].forEach((id) => fill(find(id)));
  const ready = (on) => { explain.disabled = similar.disabled = !on; };

  async function work(place, wait, ask) {
    const mine = turn;
    fill(place, element("p", { class: "soft", text: wait }));
    try {
      const shown = await ask();
      if (mine === turn) fill(place, ...shown);
      return mine === turn;
    } catch (error) {
      if (mine === turn) { fill(place); told(error); }
      return false;
    }
  }

  const why = (wanted, name) => {
    told(null);
    return work(find("explanation"), "Asking without each word …", async () => {
      const found = await api.explain(model, rows.instance(does, asked), wanted);
      return explanations.shown(found, asked, name);
    });
  };

  form.onsubmit = async (event) => {
    event.preventDefault();
    turn += 1;
    told(null);
    clear();
    ready(false);
    asked = rows.texts(does);
    const good = await work(find("answer"), "Asking …", async () => {
      const [answer] = await api.predict(model, [rows.instance(does, asked)]);
      explain.hidden = Boolean(answer.held || (answer.intent === undefined && answer.entities?.length === 0));
      return answers.shown(answer, asked, why);
    });
    ready(good);
  };
  explain.onclick = () => why({}, null);
  similar.onclick = () => {
    told(null);
    work(find("neighbours"), "Looking …", async () => {
      const found = await api.similar(model, rows.instance(does, asked));
      const cells = found.map((one) => [one.text, one.label, percent(one.similarity)]);
      return cells.length
        ? [table("Training rows that share most words with it", ["row", "label", "alike"], cells, [2])]
        : [element("p", { text: "No training row that is kept here shares a word with it." })];
    });
  };
  clear();
  ready(false);
}
