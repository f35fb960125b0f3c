// The second part: a file of rows, asked in parts that the server's limits allow, answers to download.

import * as api from "./api.js";
import * as csv from "./csv.js";
import { short } from "./answer.js";
import { element, fill, find, table } from "./dom.js";
import { number } from "./format.js";

const SMALL = 64; // Rows of a part, at most: so that what others ask is not kept waiting.
const BYTES = 0.5; // Of a body's limit: as JSON, a text may take more than what it is read from.
const PATIENCE = 20; // How often in a row the server may say that it is busy.
const SHOWN = 20;

let address = null; // Of the file to download.

/** Has the form answer files. `told(error)`: shows what went wrong. */
export function start(model, card, told) {
  const form = find("table"), upload = find("upload"), paste = find("paste");
  const button = form.querySelector("button[type=submit]"), stop = find("stop");
  let rows = [], choices = [], stopping = null;

  const say = (text) => { find("table-status").textContent = text; };

  function read(text) {
    told(null);
    fill(find("preview"));
    forget();
    rows = [];
    try {
      rows = text.trim() ? csv.parse(text, csv.separatorOf(text)) : [];
    } catch (error) {
      told(error);
    }
    button.disabled = rows.length < 2;
    choices = rows.length ? columns(card.does, rows[0]) : [];
    say(rows.length === 1 ? "There is a first row and no other." : rows.length
      ? `${number(rows.length - 1)} rows of ${rows[0].length} columns are read.` : "");
  }

  upload.onchange = async () => {
    paste.value = "";
    const [file] = upload.files;
    try {
      read(file ? new TextDecoder("utf-8", { fatal: true }).decode(await file.arrayBuffer()) : "");
    } catch {
      read("");
      told(new Error("The file is not UTF-8. Save it as “CSV UTF-8”, or paste its rows."));
    }
  };
  upload.onclick = () => { upload.value = ""; }; // A file that was mended may be chosen again.
  paste.oninput = () => { upload.value = ""; read(paste.value); };
  stop.onclick = () => stopping?.abort();
  form.onsubmit = async (event) => {
    event.preventDefault();
    const places = choices.map((choice) => Number(choice.value));
    stopping = new AbortController();
    busy(true);
    told(null);
    try {
      const asked = rows.slice(1).map((row) => places.map((place) => row[place] ?? ""));
      const answers = await all(model, card, asked, stopping.signal, say);
      offer(rows, answers);
      say(`${number(answers.length)} of ${number(rows.length - 1)} rows are answered.` +
        (stopping.signal.aborted ? " It was stopped." : ""));
      preview(places, rows, answers);
    } catch (error) {
      say("");
      told(error);
    } finally {
      busy(false);
    }
  };

  function busy(on) {
    button.disabled = upload.disabled = paste.disabled = on;
    stop.hidden = find("progress").hidden = !on;
  }
  read("");
}

/** A choice of a column for each of the task's texts; what is named so, or is longest, is chosen. */
function columns(does, head) {
  const names = head.map((name) => name.trim().toLowerCase());
  const choices = does.inputs.map((input, number) => {
    const choice = element("select", { id: `column-${input}` },
      ...head.map((name, place) => element("option", { value: String(place), text: name || `column ${place + 1}` })));
    const known = names.indexOf(input);
    choice.value = String(known >= 0 ? known : Math.min(number, head.length - 1));
    return choice;
  });
  fill(find("columns"), ...choices.flatMap((choice, number) => [
    element("label", { for: choice.id, text: does.inputs.length > 1
      ? `Column of the ${number ? "second" : "first"} text` : "Column of the text" }),
    choice]));
  return choices;
}

/** The answers to all rows, in their order; those so far where it was stopped. */
async function all(model, card, rows, signal, say) {
  const answers = [], bar = find("done");
  bar.max = rows.length;
  for (let start = 0; start < rows.length && !signal.aborted;) {
    const end = start + partOf(rows, start, card.server.limits);
    bar.value = start;
    say(`Asking rows ${number(start + 1)} to ${number(end)} of ${number(rows.length)} …`);
    const given = rows.slice(start, end).map((row) => (row.length > 1 ? row : row[0]));
    try {
      answers.push(...await patiently(() => api.predict(model, given, signal), signal));
    } catch (error) {
      if (error.name === "AbortError") break;
      error.message = `Rows ${start + 1} to ${end}: ${error.message}`;
      throw error;
    }
    start = end;
  }
  return answers;
}

function partOf(rows, start, limits) {
  const most = Math.min(SMALL, limits.rows);
  let bytes = 0, count = 0;
  while (count < most && start + count < rows.length) {
    bytes += new Blob(rows[start + count]).size;
    if (count && bytes > BYTES * limits.body_bytes) break;
    count += 1;
  }
  return count;
}

/** Asks again, as soon as the server says, while it is busy. */
async function patiently(ask, signal) {
  for (let tries = 1; ; tries += 1) {
    try {
      return await ask();
    } catch (error) {
      if (![429, 503].includes(error.status) || tries === PATIENCE) throw error;
      await new Promise((done) => {
        const timer = setTimeout(done, 1000 * (error.wait ?? 1));
        signal.addEventListener("abort", () => { clearTimeout(timer); done(); }, { once: true });
      });
    }
  }
}

/** The rows with the answers beside them, as a file to download. */
function offer(rows, answers) {
  const kinds = Object.keys(answers[0] ?? {}).filter((name) => name !== "tokens");
  const own = kinds.map((name) => (rows[0].includes(name) ? `answer_${name}` : name));
  const cells = answers.map((answer, place) => [
    ...rows[0].map((_, column) => rows[place + 1][column] ?? ""),
    ...kinds.map((name) => typeof answer[name] === "object" ? JSON.stringify(answer[name]) : answer[name]),
  ]);
  forget();
  if (!answers.length) return;
  address = URL.createObjectURL(new Blob([csv.written([[...rows[0], ...own], ...cells])], { type: "text/csv" }));
  fill(find("download"), element("a", { href: address, download: "answers.csv", text: "Download answers.csv" }));
  find("download").hidden = false;
}

function forget() {
  if (address) URL.revokeObjectURL(address);
  address = null;
  find("download").hidden = true;
}

function preview(places, rows, answers) {
  const head = [...places.map((place) => rows[0][place]), "answer"];
  const cells = answers.slice(0, SHOWN).map((answer, index) =>
    [...places.map((place) => rows[index + 1][place] ?? ""), short(answer)]);
  fill(find("preview"), cells.length ? table(`The first ${cells.length} answers`, head, cells) : null);
}
