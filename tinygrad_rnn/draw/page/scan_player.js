// The scan, played: what a round combines, in words and numbers, and how far the walk has come meanwhile.

function go(to, quietly) {
  to = Math.max(0, Math.min(end(), Math.round(to) || 0));
  const before = position;
  position = to;
  mark(before, to);
  if (svg !== level.svg) {
    usePicture();
    reachByKeys();
  }
  const { place } = level.frames[to];
  part("slider").value = to;
  part("slider").setAttribute("aria-valuetext", place);
  part("position").textContent = place;
  showNow();
  showNode();
  showSums();
  if (!playing) part("said").textContent = spoken();
  follow(boxAtHand());
  if (!quietly) remember();
}

/** To the first position of the next chain, or of the one before. */
function nextStep(direction) {
  const { frames } = level;
  const begins = frames.findLastIndex((frame, n) => n <= position && frame.level === 0);
  const next = frames.findIndex((frame, n) => n > position && frame.level === 0);
  if (direction > 0) go(next < 0 ? end() : next);
  else go(begins < position ? begins : Math.max(0, frames.findLastIndex((frame, n) => n < position && frame.level === 0)));
}

function spoken() {
  const { head, words } = level.frames[position];
  return [head, ...words].map(flat).join(" ");
}

/** The numbers of arrays, each with its name. */
function named(list) {
  return list.map(([name, number]) => {
    const table = arrayTable(number);
    table.firstChild.prepend(element("b", "", ...lowered(name)), say(": "));
    return table;
  });
}

function rules(texts) {
  return texts.map((text) => element("p", "paper", ...lowered(text)));
}

function showNow() {
  const frame = level.frames[position];
  const words = frame.words.map((text) => element("p", "rule", ...lowered(text)));
  const made = frame.products.map((product, n) => {
    const inside = element("div", "", ...rules(product.rules), ...named(product.result),
      element("p", "from", say("made of")), ...named(product.parts));
    const more = element("details", "product", element("summary", "", ...lowered(product.head)), inside);
    more.open = n === 0;
    return more;
  });
  part("now").replaceChildren(element("h2", "", frame.head), ...words, ...made, ...gradients(frame.gradients));
  part("now").scrollTop = 0;
}

/** The gradients by the scan and by the walk. */
function gradients(rows) {
  if (!rows?.length) return [];
  const row = (kind, cells) => element("tr", "", ...cells.map((text) => element(kind, "", text)));
  const head = row("th", [say("gradient"), say("norm, scan"), say("norm, walk"), say("apart")]);
  const body = rows.map(({ name, norms, apart }) => row("td", [name, ...norms.map(said), apart]));
  const all = rows.map(({ name, arrays: [scan, walk] }) => {
    const inside = [element("p", "rule", say("by the scan")), arrayTable(scan), element("p", "rule", say("by the walk")), arrayTable(walk)];
    return element("details", "product", element("summary", "", name), ...inside);
  });
  return [element("div", "array", element("table", "", head, ...body)), ...all];
}

function showSums() {
  const rows = level.frames[position].bars.map(({ name, done, all, work }) => {
    const bar = element("span");
    bar.style.transform = `scaleX(${all ? done / all : 1})`;
    const told = say("{name}: {done} of {all} rounds; {work} multiply-adds in all", { name, done, all, work });
    return element("div", "sum", element("div", "number", told), element("span", "bar", bar));
  });
  part("sums-inside").replaceChildren(...rows);
}

function showNode() {
  const id = picked ?? entryAt(position);
  const { name, rules: texts, arrays: list } = given.boxes[id];
  part("node-name").replaceChildren(...lowered(picked === null ? say("Box: {name}", { name }) : say("Selected: {name}", { name })));
  if (part("node-inside").hidden && !matchMedia("print").matches) return; // it is made when it is opened
  const clear = picked === null ? [] : [button(say("Clear"), () => pick(null))];
  part("node-inside").replaceChildren(...rules(texts), ...named(list), element("div", "row", ...clear));
}

root.classList.add("backward");
begin();
