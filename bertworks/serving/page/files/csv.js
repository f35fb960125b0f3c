// CSV as RFC 4180 has it, and as spreadsheets write it: other separators, a byte order mark.

const SEPARATORS = [",", ";", "\t"];
// What spreadsheets take for a formula where a cell begins with it; full-width forms count as well.
const FORMULA = /^[ \u00a0]*[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20]/;
const NUMBER = /^[+-]?(?:\d{1,3}(?:,\d{3})+|\d+|(?=\.\d))(?:\.\d*)?(?:[eE][+-]?\d+)?%?$/;

/** The separator that is in the first line most often, outside of quotes. */
export function separatorOf(text) {
  const first = text.replace(/"[^"]*"/g, "").split(/\r?\n/, 1)[0];
  const counts = SEPARATORS.map((one) => first.split(one).length);
  return SEPARATORS[counts.indexOf(Math.max(...counts))];
}

/** Rows of cells; empty lines are left out. Throws an Error that says in which row a quote is not closed. */
export function parse(text, separator) {
  const given = text.replace(/^\ufeff/, "");
  const rows = [];
  let row = [], cell = "", quoted = false, open = 0;
  const endRow = () => {
    row.push(cell);
    if (row.length > 1 || row[0] !== "") rows.push(row);
    row = [];
    cell = "";
  };
  for (let place = 0; place < given.length; place += 1) {
    const sign = given[place];
    if (quoted) {
      if (sign !== '"') cell += sign;
      else if (given[place + 1] === '"') { cell += '"'; place += 1; }
      else quoted = false;
    } else if (sign === '"' && cell === "") { quoted = true; open = rows.length + 1; }
    else if (sign === separator) { row.push(cell); cell = ""; }
    else if (sign === "\n" || sign === "\r") {
      if (sign === "\r" && given[place + 1] === "\n") place += 1;
      endRow();
    } else cell += sign;
  }
  if (quoted) throw new Error(`Row ${open}: a quote is opened and never closed.`);
  if (cell !== "" || row.length) endRow();
  return rows;
}

/** CSV of rows of cells; what a spreadsheet would run as a formula gets an apostrophe before it. */
export const written = (rows) =>
  rows.map((row) => row.map(cellOf).join(",")).join("\r\n") + "\r\n";

function cellOf(value) {
  const text = String(value ?? "");
  const safe = FORMULA.test(text) && !NUMBER.test(text) ? `'${text}` : text;
  return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}
