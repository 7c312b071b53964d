// Elements of a panel. Text only, never markup: names come from elsewhere.

function element(name, className, ...inside) {
  const made = document.createElement(name);
  if (className) made.className = className;
  made.append(...inside);
  return made;
}

/** A number as text; small and large ones in powers of ten. */
function said(v) {
  const size = Math.abs(v);
  return Number.isFinite(v) && v !== 0 && (size < 1e-4 || size >= 1e6) ? v.toExponential() : String(v);
}

/** An array as a table, of up to so many rows. */
function arrayTable(number, most = Infinity) {
  const { shape, norm, from, to, broken } = arrays[number];
  const rows = arrays[number].rows.slice(0, most);
  const about = [shape.length ? shape.join("×") : say("scalar"), say("norm {norm}", { norm: said(norm) })];
  if (from !== undefined) about.push(say("from {from} to {to}", { from: said(from), to: said(to) }));
  const shown = [element("p", "faint", about.join(say(", ")))];
  if (broken) shown.push(element("p", "wrong", say("{count} not finite", { count: broken })));
  if (!rows.length) return element("div", "array", ...shown);
  const size = shape.reduce((a, b) => a * b, 1);
  const some = rows.reduce((count, row) => count + row.length, 0) < size;
  const largest = Math.max(...rows.flat().map((v) => Math.abs(v)).filter(Number.isFinite), 1e-300);
  const table = element("table");
  for (const row of rows) {
    const cells = row.map((v) => {
      const cell = element("td", "", said(v));
      const strength = Math.min(Math.abs(v) / largest, 1) * 0.4; // orange above zero, blue below
      const colour = v < 0 ? "0 114 178" : "230 159 0";
      if (Number.isFinite(strength)) cell.style.backgroundColor = `rgb(${colour} / ${strength})`;
      return cell;
    });
    if (some && row.length < shape[shape.length - 1]) cells.push(element("td", "", "…"));
    table.append(element("tr", "", ...cells));
  }
  if (some && rows.length * shape[shape.length - 1] < size) table.append(element("tr", "", element("td", "", "…")));
  return element("div", "array", ...shown, table);
}

/** `b_{ih}` and `h_t` of a formula with real subscripts. */
function withSubscripts(text) {
  return lowered(text.replace(/_([A-Za-z0-9]+)/g, "_{$1}"));
}

/** The same where only braces lower: `g_{2}`. */
function lowered(text) {
  return text.split(/_\{([^{}]*)\}/).map((piece, n) => (n % 2 ? element("sub", "", piece) : piece));
}

function button(text, action) {
  const made = element("button", "", text);
  made.type = "button";
  made.addEventListener("click", action);
  return made;
}
