// The chat: a dialogue with the server's agent, and what was decided in each turn.

import * as api from "./api.js";
import { element, fill, find, list, table, terms } from "./dom.js";

/** An act as traces in a terminal write it: inform(food=chinese). */
const act = ([intent, slot = "", value = ""]) => `${intent}(${slot}${value && `=${value}`})`;

/** What is known of the user's wishes after a turn. */
function wishes(state) {
  const known = [];
  for (const [slot, { confirmed, values }] of Object.entries(state.beliefs)) {
    if (confirmed) known.push(`${slot}: ${confirmed} (confirmed)`);
    else if (values.length) known.push(`${slot}: ${values[0][0]} (${values[0][1].toFixed(2)})`);
  }
  if (state.offered) known.push(`offered: ${state.offered}`);
  if (state.requested.length) known.push(`asked for: ${state.requested.join(", ")}`);
  if (state.refused.length) known.push(`turned down: ${state.refused.join(", ")}`);
  return known.length ? list(known) : "nothing yet";
}

/** The trace of a turn, to be opened: understood as, state, candidates, who chose, acts. */
function decided(turn, trace) {
  const heard = trace.understood.map((one) => `${act(one.act)} ${one.confidence.toFixed(2)}`);
  const scores = trace.choice.candidates.map(([action, score]) => [action, score.toFixed(2)]);
  return element("details", {},
    element("summary", { text: `What was decided in turn ${turn}` }),
    terms([
      ["understood as", list(heard)],
      ["by", trace.understanding],
      ["known", wishes(trace.state)],
      ["that match", trace.matches],
      ["chosen", `${trace.choice.action}, by ${trace.choice.by}`],
      ["said", list(trace.acts.map(act))],
      ["templates", trace.forms.join(", ")],
      ["notices", trace.notices.length ? list(trace.notices) : ""],
    ]),
    table(`Candidates in turn ${turn}`, ["action", "score"], scores, [1]));
}

const line = (who, kind, text) =>
  element("p", { class: `said ${kind}` }, element("b", { text: who }), ` ${text}`);

/** Opens the chat where the server has a dialogue. `told(error)`: shows what went wrong. */
export function start(name, told) {
  const turns = find("turns"), said = find("said"), form = find("say"), outcome = find("outcome");
  let dialogue = null, number = 0, busy = false;

  find("talk").hidden = find("to-talk").hidden = !name;
  if (!name) return;
  find("talk-told").textContent = `With ${name}. What you say is kept on this server for a time.`;

  /** One thing at a time: a turn that is under way is not overtaken. */
  async function once(work) {
    if (busy) return;
    busy = true;
    told(null);
    try {
      await work();
    } catch (error) {
      told(error);
    } finally {
      busy = false;
    }
  }

  const open = (on) => { said.disabled = form.querySelector("[type=submit]").disabled = !on; };

  const begin = () => once(async () => {
    const begun = await api.beginDialogue();
    [dialogue, number] = [begun.dialogue, begun.turn];
    fill(turns, line("Agent", "agent", begun.answer));
    outcome.hidden = true;
    find("forget").disabled = true;
    open(true);
  });

  form.onsubmit = (event) => {
    event.preventDefault();
    const text = said.value;
    once(async () => {
      // Asked again after a failure it is the same turn, and nothing happens twice.
      const found = await api.turn(dialogue, { text, turn: number, trace: true });
      said.value = "";
      turns.append(line("You", "user", text), line("Agent", "agent", found.answer),
        decided(number, found.trace));
      turns.scrollTop = turns.scrollHeight;
      number += 1;
      find("forget").disabled = false;
      outcome.hidden = false;
      open(!found.ended);
      (found.ended ? find("anew") : said).focus();
    });
  };
  const judge = (satisfied) => once(async () => {
    await api.judgeDialogue(dialogue, satisfied);
    outcome.hidden = true;
    turns.append(line("Note", "soft", satisfied ? "You said that it helped." : "You said that it did not help."));
  });
  find("helped").onclick = () => judge(true);
  find("helped-not").onclick = () => judge(false);
  find("anew").onclick = () => begin().then(() => said.focus());
  find("forget").onclick = () =>
    once(() => api.forgetDialogue(dialogue)).then(begin).then(() => said.focus());
  begin();
}
