// The page at `/`: which model, whether a key is needed, and its four parts.

import * as api from "./api.js";
import * as card from "./card.js";
import * as figures from "./figures.js";
import * as file from "./file.js";
import * as talk from "./talk.js";
import * as tried from "./try.js";
import { element, fill, find } from "./dom.js";

let end = () => {};
let talks = false; // The dialogue is the server's, whichever model is chosen.

/** Shows what went wrong where it is read out; null: nothing did. */
function told(error) {
  const place = find("status");
  place.className = error ? "status bad" : "status";
  place.textContent = error ? error.message : "";
  if (error && error.status === 401) askForKey();
}

function askForKey() {
  find("access").hidden = false;
  find("key").focus();
}

async function open(model) {
  end();
  const found = await api.card(model);
  const version = found.version === null ? "" : `, version ${found.version}`;
  find("title").textContent = found.name;
  find("subtitle").textContent = `served as ${model}${version}`;
  document.title = `${found.name} – bertworks`;
  if (!talks) talk.start(found.server.dialogue, told);
  talks = true;
  tried.start(model, found, told);
  file.start(model, found, told);
  card.show(found);
  end = figures.start(model);
}

async function begin() {
  try {
    const names = await api.models();
    const choice = find("model");
    fill(choice, ...names.map((name) => element("option", { value: name, text: name })));
    find("models").hidden = names.length < 2;
    choice.onchange = () => open(choice.value).catch(told);
    if (!names.length) throw new Error("No model is loaded here.");
    await open(names[0]);
    find("access").hidden = true;
    told(null);
  } catch (error) {
    told(error);
  }
}

find("access").addEventListener("submit", (event) => {
  event.preventDefault();
  api.useKey(find("key").value);
  find("key").value = "";
  begin();
});

begin();
