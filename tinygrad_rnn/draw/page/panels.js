// The panels: the rule at hand, the node, the gradients. Text only, never markup: names come from elsewhere.

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

function rule(name, sign, symbols, numbers, number) {
  const array = arrays[number];
  const shown = element("div", "", element("p", "rule", element("b", "", name), ` ${sign} ${symbols}`));
  const first = array.rows[0].length ? said(array.rows[0][0]) : "";
  const at = array.shape.length ? `[${array.shape.map(() => 0).join(", ")}]` : "";
  if (numbers && first) {
    const result = numbers === first || Number(numbers) === Number(first) ? "" : ` = ${first}`;
    shown.append(element("p", "numbers", `${at} ${sign} ${numbers}${result}`));
  }
  shown.append(arrayTable(number));
  return shown;
}

function arrayTable(number) {
  const { shape, rows, norm, from, to, broken } = arrays[number];
  const about = [shape.length ? shape.join("×") : "scalar", `norm ${said(norm)}`];
  if (from !== undefined) about.push(`from ${said(from)} to ${said(to)}`);
  const shown = [element("p", "faint", about.join(", "))];
  if (broken) shown.push(element("p", "wrong", `${broken} not finite`));
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

function showNow() {
  const k = entryAt(position);
  const now = part("now");
  if (k === null) {
    const help = "Nothing has run yet. The right arrow key runs the first entry; the space key plays.";
    now.replaceChildren(element("h2", "", "The start"), element("p", "faint", help));
    return;
  }
  const entry = entries[k];
  const where = entry.where ? `, ${entry.where}` : "";
  if (position <= entries.length) {
    now.replaceChildren(element("h2", "", `Forward: entry ${k}, ${entry.op}${where}`),
      rule(entry.name, "=", entry.rule, entry.numbers, entry.value));
    return;
  }
  const step = back[position - entries.length - 1];
  const shown = [element("h2", "", `Backward: entry ${k}, ${entry.op}${where}`)];
  for (const p of step.products) shown.push(rule(p.name, "+=", p.rule, p.numbers, p.value));
  if (!step.products.length) shown.push(element("p", "faint", "It has no input with a gradient."));
  const given = element("p", "rule", "where ", element("b", "", step.name), " is");
  shown.push(element("div", "", given, arrayTable(step.cotangent)));
  now.replaceChildren(...shown);
}

function showNode() {
  const node = part("node");
  const k = picked ?? entryAt(position);
  if (k === null) { node.replaceChildren(element("p", "faint", "Click a node to look into it.")); return; }
  const entry = entries[k];
  const shown = [element("h2", "", `${picked === null ? "Node" : "Picked"}: ${entry.name} = ${entry.rule}`)];
  shown.push(element("p", "faint", [`entry ${k}`, entry.where, entry.code].filter(Boolean).join(" · ")));
  const forward = position > k;
  shown.push(forward ? arrayTable(entry.value) : element("p", "faint", "It has not run yet."));
  const j = backOf.get(k);
  const passed = j !== undefined && position > entries.length + j;
  const come = arrivals[k].filter(([from]) => position > entries.length + from);
  shown.push(element("h2", "", j === undefined ? "Its cotangent" : `Its cotangent, ${back[j].name}`));
  if (j === undefined) shown.push(element("p", "faint", "Zero: the loss does not depend on it."));
  for (const [from, product] of come) {
    const source = element("span", "faint", `  from ${entries[back[from].entry].name}`);
    shown.push(element("p", "rule", `+= ${product.rule}`, source));
  }
  if (passed) shown.push(arrayTable(back[j].cotangent));
  else if (j !== undefined) {
    shown.push(element("p", "faint", `${come.length} of ${arrivals[k].length} terms have come so far.`));
  }
  if (passed) shown.push(...contributions(k));
  const jump = [button(`Forward, at ${k + 1}`, () => go(k + 1))];
  if (j !== undefined) jump.push(button(`Backward, at ${entries.length + j + 1}`, () => go(entries.length + j + 1)));
  if (picked !== null) jump.push(button("Clear the pick", () => { pick(null); }));
  node.replaceChildren(...shown, element("div", "row", ...jump));
}

function contributions(k) {
  const { t, adds = [] } = entries[k];
  const reach = t === undefined ? "outside of the steps" : `within step ${t}`;
  const head = element("h2", "", `What comes through it ${reach} (norms)`);
  if (!tape.contributions) return [head, element("p", "faint", "Not computed: the steps of this tape are too long.")];
  const lines = adds.map(([leaf, norm]) =>
    element("div", "named", element("span", "", leaves[leaf].cotangent), element("span", "", said(norm))));
  return [head, ...(lines.length ? lines : [element("p", "faint", "Nothing.")])];
}

function button(text, action) {
  const made = element("button", "", text);
  made.type = "button";
  made.addEventListener("click", action);
  return made;
}

// The panel of gradients is made once; a position changes numbers and bars.
const sumRows = [];

function makeSums() {
  const panel = part("sums");
  panel.append(element("h2", "", "Gradients so far"));
  leaves.forEach((leaf, n) => {
    if (leaf.fixed) return; // of integers: it has no gradient
    const bar = element("div");
    const number = element("span");
    const inside = element("div");
    const head = element("summary", "named", element("span", "", leaf.cotangent), number);
    const more = element("details", "", head, inside);
    more.addEventListener("toggle", showSums);
    panel.append(element("div", "", more, element("div", "bar", bar)));
    const grown = sums[n].map(([, a]) => Number(arrays[a].norm)).filter(Number.isFinite);
    sumRows.push({ n, bar, number, inside, more, most: Math.max(...grown, 0), shown: undefined });
  });
}

function showSums() {
  for (const row of sumRows) {
    const grown = sums[row.n];
    let low = 0;
    for (let high = grown.length; low < high;) {
      const middle = (low + high) >> 1;
      if (grown[middle][0] <= position) low = middle + 1; else high = middle;
    }
    const key = `${low} ${row.more.open}`;
    if (key === row.shown) continue;
    row.shown = key;
    const array = low ? grown[low - 1][1] : null;
    const norm = array === null ? 0 : arrays[array].norm;
    const nothing = position === last ? "zero" : "nothing yet";
    row.number.textContent = array === null ? nothing : `norm ${said(norm)} · ${low} of ${grown.length}`;
    row.bar.style.transform = `scaleX(${row.most ? Math.min(Number(norm) / row.most, 1) || 0 : 0})`;
    row.inside.replaceChildren(...(row.more.open && array !== null ? [arrayTable(array)] : []));
  }
}
