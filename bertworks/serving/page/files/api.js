// What this page asks the server: its own paths alone, with the key that was entered, if any.

let key = null; // In memory alone: gone with the page.

export const useKey = (entered) => { key = entered; };

/** What the server refused, with its own words. */
export class Refusal extends Error {
  constructor(status, message, wait) {
    super(message);
    this.status = status;
    this.wait = wait;
  }
}

async function ask(path, body, signal, method = body === undefined ? "GET" : "POST") {
  const headers = body === undefined ? {} : { "Content-Type": "application/json" };
  if (key) headers.Authorization = `Bearer ${key}`;
  let answer;
  try {
    answer = await fetch(new URL(path, document.baseURI), {
      method, headers, signal, credentials: "omit", cache: "no-store", redirect: "error",
      body: body === undefined ? undefined : JSON.stringify(body),
    });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Refusal(0, "The server cannot be reached.", null);
  }
  if (answer.ok) return answer.json();
  const said = await answer.json().catch(() => ({}));
  const told = typeof said.error === "string" ? said.error : `The server answered ${answer.status}.`;
  const wait = Number(answer.headers.get("Retry-After"));
  throw new Refusal(answer.status, told, Number.isFinite(wait) && wait > 0 ? wait : null);
}

const of = (model, rest) => `v1/models/${encodeURIComponent(model)}${rest}`;

const ofDialogue = (name, rest = "") => `v1/dialogues/${encodeURIComponent(name)}${rest}`;

export const beginDialogue = () => ask("v1/dialogues", {});
export const turn = (dialogue, said) => ask(ofDialogue(dialogue, "/turns"), said);
export const judgeDialogue = (dialogue, satisfied) => ask(ofDialogue(dialogue, "/outcome"), { satisfied });
export const forgetDialogue = (dialogue) => ask(ofDialogue(dialogue), undefined, undefined, "DELETE");
export const models = async () => (await ask("v1/models")).models;
export const card = (model) => ask(of(model, "/card"));
export const figures = (model) => ask(of(model, "/figures"));
export const predict = async (model, instances, signal) =>
  (await ask(of(model, ":predict"), { instances }, signal)).predictions;
export const explain = async (model, instance, wanted) =>
  (await ask(of(model, ":explain"), { instances: [instance], ...wanted })).explanations[0];
export const similar = async (model, instance) =>
  (await ask(of(model, ":similar"), { instances: [instance] })).similar[0];
