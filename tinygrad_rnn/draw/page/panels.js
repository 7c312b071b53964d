// The panels: what happens, the gradients, the node.

/** An expression with the numbers of its first entry, and the array. */
function withNumbers(numbers, number, rows) {
  const array = arrays[number];
  const first = array.rows[0].length ? said(array.rows[0][0]) : "";
  const at = array.shape.length ? say("first entry: ") : "";
  const shown = [];
  if (numbers && first) {
    const result = numbers === first || Number(numbers) === Number(first) ? "" : ` = ${first}`;
    shown.push(element("p", "numbers", `${at}${numbers}${result}`));
  }
  return [...shown, arrayTable(number, rows)];
}

/** The lines of a derivation that belong to what is shown, each once. */
function onPaper(numbers) {
  const found = [...new Set(numbers.filter((n) => n !== undefined))].map((n) => paper[n]);
  return found.map((text) => element("p", "paper", element("span", "faint", say("on paper: ")), ...withSubscripts(text)));
}

function showNow() {
  const k = entryAt(position);
  const now = part("now");
  if (k === null) {
    now.replaceChildren(element("h2", "", say("The start")),
      element("p", "", say("Nothing has run yet. The right arrow key, or ▶, runs what comes first; the space key plays.")),
      element("p", "", say("Forward (blue), each box computes its value from those that it reads, step by step up to the loss.")),
      element("p", "", say("Backward (orange), from the loss to the first step, each box sends every value that it read its term of the gradient dL/d(value). Terms that arrive at one value add up.")));
    return;
  }
  const where = [whereabouts(entries[k]), level.name === "ops" ? entries[k].op : ""].filter(Boolean);
  const forward = position <= entries.length;
  const head = element("h2", "", [forward ? say("Forward") : say("Backward"), ...where].join(say(", ")));
  now.replaceChildren(head, ...(forward ? computed(k) : sentBack(k)));
  now.scrollTop = 0;
}

/** What was computed: the statements of a box, or one operation. */
function computed(k) {
  const entry = entries[k];
  const text = (words) => code(brief(words, k));
  const lines = (level.members.get(k) ?? [k]).map((member) => entries[member].line);
  if (level.name === "ops" && entry.head !== undefined) {
    return [element("p", "rule", ...phrase("{value}, in {statement}", { value: text(entry.rule), statement: text(statement(k)) })),
      ...withNumbers(entry.numbers, entry.value)];
  }
  const parts = (level.members.get(k) ?? [k]).filter((m) => m !== k && entries[m].head === undefined);
  const before = parts.map((m) => element("p", "rule", text(statement(m))));
  return [...before, element("p", "rule", element("b", "", text(entry.name ?? entry.rule)),
    ...(entry.name === undefined || entry.name === entry.rule ? [] : [" = ", text(entry.rule)])),
    ...onPaper(lines), ...withNumbers(entry.numbers, entry.value)];
}

/** What was sent back: for each statement of a box, who receives what. */
function sentBack(k) {
  const found = leaving(k);
  const text = (words) => code(brief(words, k));
  const j = backOf.get(k);
  if (!found.length) return [element("p", "", ...phrase(
    "From {statement} nothing goes on: it has no input with a gradient.", { statement: text(statement(k)) }))];
  const shown = [];
  if (isPassedOn(found)) {
    const [[step]] = found;
    const terms = found.flatMap(([, p], n) => [n ? say(" and ") : "", text(written(p.to))]);
    shown.push(element("p", "from", ...phrase("From {statement}:", { statement: text(statement(step.entry)) })),
      element("p", "rule", ...phrase("the terms {terms} receive {name} unchanged: the derivative of a sum by a term is 1",
        { terms, name: text(step.name) })));
  } else {
    let from = null;
    for (const [step, product] of found) {
      if (statement(step.entry) !== from) {
        from = statement(step.entry);
        shown.push(element("p", "from", ...phrase("From {statement}:", { statement: text(from) })));
      }
      const count = which(product);
      shown.push(element("div", "product",
        element("p", "rule", ...phrase("{gradient} receives {rule}",
          { gradient: element("b", "", text(gradient(product.name))), rule: text(product.rule) }),
          ...(count ? [element("span", "faint", ` ${count}`)] : [])),
        ...onPaper([product.line]), ...withNumbers(product.numbers, product.value, found.length > 1 ? 4 : undefined)));
    }
  }
  const own = j === undefined ? found[0][0] : back[j];
  const name = own.name === "dL" ? "dL = dL/dL" : entries[own.entry].head === undefined
    ? `${own.name} = ${gradient(own.name)}` : own.name;
  shown.push(element("div", "given", element("p", "rule", ...phrase("where {name}{made} is", { name: text(name), made: madeOf(own.entry) })),
    arrayTable(own.cotangent)));
  return shown;
}

function showNode() {
  const k = picked ?? entryAt(position);
  const node = part("node-inside");
  part("node-name").textContent = k === null ? say("Node")
    : picked === null ? say("Node: {name}", { name: written(k) }) : say("Selected: {name}", { name: written(k) });
  if (node.hidden && !matchMedia("print").matches) return; // it is made when it is opened
  if (k === null) { node.replaceChildren(element("p", "faint", say("Select a node of the graph to look into it."))); return; }
  const entry = entries[k];
  const text = (words) => code(brief(words, k));
  const shown = [element("p", "rule", text(statement(k)))];
  shown.push(element("p", "faint", [say("entry {k}, {op}", { k, op: entry.op }), whereabouts(entry), entry.code].filter(Boolean).join(" · ")));
  const forward = position > k;
  shown.push(forward ? arrayTable(entry.value) : element("p", "faint", say("It has not run yet.")));
  const j = backOf.get(k);
  const passed = j !== undefined && position > entries.length + j;
  const come = arrivals[k].filter(([from]) => position > entries.length + from);
  const name = entry.head === undefined ? `dL/d${entry.name}` : `dL/d(${entry.rule})`;
  shown.push(element("h3", "", ...phrase("Its gradient, {name}", { name: text(name) })));
  if (j === undefined) shown.push(element("p", "faint", say("Zero: the loss does not depend on it.")));
  for (const [from, product] of come) {
    const source = element("span", "faint", ...phrase(" from {statement}", { statement: text(statement(back[from].entry)) }));
    shown.push(element("p", "rule",
      product.part ? code(product.part, ": ") : product !== come[0][1] ? "+ " : "",
      text(product.rule), source));
  }
  if (passed) shown.push(arrayTable(back[j].cotangent));
  else if (j !== undefined) {
    shown.push(element("p", "faint", say("{come} of {all} have come so far.", { come: come.length, all: arrivals[k].length })));
  }
  if (passed) shown.push(...contributions(k));
  const jump = [button(say("Go to its run"), () => go(k + 1))];
  if (j !== undefined) jump.push(button(say("Go to its gradient"), () => go(entries.length + j + 1)));
  if (picked !== null) jump.push(button(say("Clear"), () => { pick(null); }));
  node.replaceChildren(...shown, element("div", "row", ...jump));
}

function contributions(k) {
  const { t, adds = [] } = entries[k];
  const head = element("h3", "", t === undefined ? say("Its share of each gradient outside of the steps (norms)")
    : say("Its share of each gradient within step {t} (norms)", { t }));
  if (!given.contributions) return [head, element("p", "faint", say("Not computed: the steps of this tape are too long."))];
  const lines = adds.map(([leaf, norm]) =>
    element("div", "named", code(gradient(leaves[leaf].cotangent)), element("span", "", said(norm))));
  return [head, ...(lines.length ? lines : [element("p", "faint", say("None."))])];
}

// The panel of gradients is made once; a position changes numbers and bars.
const sumRows = [];

function makeSums() {
  const panel = part("sums-inside");
  leaves.forEach((leaf, n) => {
    if (leaf.fixed) return; // of integers: it has no gradient
    const bar = element("span");
    const number = element("span", "number");
    const inside = element("div");
    const head = element("summary", "", code(gradient(leaf.cotangent)), number, element("span", "bar", bar));
    const more = element("details", "", head, inside);
    more.addEventListener("toggle", showSums);
    panel.append(element("div", "sum", more));
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
    const nothing = position === end() ? say("zero") : say("nothing yet");
    row.number.textContent = array === null ? nothing
      : say("norm {norm}", { norm: said(norm) }) + (grown.length < 2 ? ""
        : leaves[row.n].parts ? say(", {low} of {count} parts", { low, count: grown.length })
          : say(", {low} of {count} terms", { low, count: grown.length }));
    row.bar.style.transform = `scaleX(${row.most ? Math.min(Number(norm) / row.most, 1) || 0 : 0})`;
    row.inside.replaceChildren(...(row.more.open && array !== null ? [arrayTable(array)] : []));
  }
}
