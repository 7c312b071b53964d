"use strict";
// Position p of the player: p entries have run; beyond that, p - entries.length of them have been walked back.

const tape = JSON.parse(document.getElementById("play-data").textContent);
const { entries, back, leaves, arrays } = tape;
const last = entries.length + back.length;
const part = (name) => document.getElementById("play-" + name);
const root = document.documentElement;

let position = 0;
let picked = null; // the entry that was clicked; null follows the player
let playing = false;

// ---------------------------------------------------------------------------------------------- what is where

const backOf = new Map(back.map((step, j) => [step.entry, j])); // when the walk back reads an entry
const arrivals = entries.map(() => []); // what comes to each entry: [j, product]
const sums = leaves.map(() => []); // the gradient of each leaf as it grows: [position, array]
back.forEach((step, j) => {
  for (const product of step.products) {
    if (product.to >= 0) arrivals[product.to].push([j, product]);
    else sums[-1 - product.to].push([entries.length + j + 1, product.total]);
  }
});

// The boxes of the picture. A view is not drawn: it stands in its reader's copy, `v<reader>_<argument>`.
const copies = entries.map((entry, k) => entry.args.map((_, n) => document.getElementById(`v${k}_${n}`)));
const own = entries.map((_, k) => document.getElementById("v" + k));
const readers = entries.map(() => []);
entries.forEach((entry, k) => entry.args.forEach((a, n) => a !== null && a >= 0 && readers[a].push([k, n])));
const drawn = entries.map((_, k) => own[k] ? [own[k], ...copies[k].filter(Boolean)] : []);

function boxesOf(start) {
  if (own[start]) return [own[start]];
  const found = new Set();
  const todo = [start]; // a view may be read by another view
  for (let n = 0; n < Math.min(todo.length, 50); n++) {
    for (const [reader, argument] of readers[todo[n]]) {
      if (copies[reader][argument]) found.add(copies[reader][argument]);
      else if (!own[reader]) todo.push(reader);
    }
  }
  if (!found.size && document.getElementById("gap")) found.add(document.getElementById("gap"));
  return [...found];
}

function entryAt(p) {
  return p === 0 ? null : p <= entries.length ? p - 1 : back[p - entries.length - 1].entry;
}

// ---------------------------------------------------------------------------------------------- text, never markup

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
      if (Number.isFinite(strength)) cell.style.backgroundColor = `rgb(${v < 0 ? "0 114 178" : "230 159 0"} / ${strength})`;
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
    now.replaceChildren(element("h2", "", "The start"), element("p", "faint", "Nothing has run. Arrow right runs the first entry; space plays."));
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
  shown.push(element("div", "", element("p", "rule", "where ", element("b", "", step.name), " is"), arrayTable(step.cotangent)));
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
    shown.push(element("p", "rule", `+= ${product.rule}`, element("span", "faint", `  from ${entries[back[from].entry].name}`)));
  }
  if (passed) shown.push(arrayTable(back[j].cotangent));
  else if (j !== undefined) shown.push(element("p", "faint", `${come.length} of ${arrivals[k].length} terms have come so far.`));
  if (passed) shown.push(...contributions(k));
  const jump = [button(`Forward, at ${k + 1}`, () => go(k + 1))];
  if (j !== undefined) jump.push(button(`Backward, at ${entries.length + j + 1}`, () => go(entries.length + j + 1)));
  if (picked !== null) jump.push(button("Let go", () => { pick(null); }));
  node.replaceChildren(...shown, element("div", "row", ...jump));
}

function contributions(k) {
  const head = element("h2", "", `What comes through it ${entries[k].t === undefined ? "outside of the steps" : "within step " + entries[k].t} (norms)`);
  if (!tape.contributions) return [head, element("p", "faint", "Not computed: the steps of this tape are too long.")];
  const lines = (entries[k].adds ?? []).map(([leaf, norm]) => element("div", "named", element("span", "", leaves[leaf].cotangent), element("span", "", said(norm))));
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
    const more = element("details", "", element("summary", "named", element("span", "", leaf.cotangent), number), inside);
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
    row.number.textContent = array === null ? (position === last ? "zero" : "nothing yet") : `norm ${said(norm)} · ${low} of ${grown.length}`;
    row.bar.style.transform = `scaleX(${row.most ? Math.min(Number(norm) / row.most, 1) || 0 : 0})`;
    row.inside.replaceChildren(...(row.more.open && array !== null ? [arrayTable(array)] : []));
  }
}

// ---------------------------------------------------------------------------------------------- the picture

let lit = []; // [box, class] of this position alone

function light(box, name) {
  if (!box) return;
  box.classList.add(name);
  lit.push([box, name]);
}

function mark(from, to) {
  const sign = to > from;
  for (let p = Math.min(from, to); p < Math.max(from, to); p++) {
    if (p < entries.length) drawn[p].forEach((box) => box.classList.toggle("waits", !sign));
    else own[back[p - entries.length].entry]?.classList.toggle("passed", sign);
  }
  lit.forEach(([box, name]) => box.classList.remove(name));
  lit = [];
  const k = entryAt(to);
  if (picked !== null) boxesOf(picked).forEach((box) => light(box, "picked"));
  if (k === null) return;
  if (to <= entries.length) entries[k].args.forEach((a, n) => light(copies[k][n] ?? own[a], "read"));
  else for (const product of back[to - entries.length - 1].products) {
    const n = entries[k].args.indexOf(product.to);
    light(copies[k][n] ?? own[product.to], "gets");
  }
  boxesOf(k).forEach((box) => light(box, "now"));
}

const graph = part("graph");
const svg = graph.querySelector("svg");
const full = svg.viewBox.baseVal;
const places = new Map(); // where a box is in the picture, measured once
let scale = 1; // pixels on the screen for each point of the picture

function placeOf(box) {
  if (!places.has(box)) {
    const { x, y, width, height } = box.getBBox();
    places.set(box, { x: x - full.x + width / 2, y: y - full.y + height / 2, half: width / 2 });
  }
  return places.get(box);
}

/** The scale at which the whole picture is seen. */
function smallest() {
  return Math.min(graph.clientWidth / full.width, graph.clientHeight / full.height, 1);
}

function resize(wanted) {
  scale = wanted;
  svg.style.width = `${full.width * scale}px`;
  svg.style.height = `${full.height * scale}px`;
}

/** Show the picture at a scale, and keep what is at this place of the screen, by default the middle, where it is. */
function zoomTo(wanted, x, y) {
  const frame = graph.getBoundingClientRect();
  const at = { x: x ?? frame.left + frame.width / 2, y: y ?? frame.top + frame.height / 2 };
  const before = svg.getBoundingClientRect();
  const factor = Math.min(Math.max(wanted, smallest()), 6) / scale;
  resize(scale * factor);
  const after = svg.getBoundingClientRect();
  graph.scrollLeft += after.left + (at.x - before.left) * factor - at.x;
  graph.scrollTop += after.top + (at.y - before.top) * factor - at.y;
}

/** Scroll if the box is not well inside what is seen. */
function follow(box) {
  if (!box) return;
  const place = placeOf(box);
  const { scrollLeft, scrollTop, clientWidth, clientHeight } = graph;
  const [x, y] = [place.x * scale, place.y * scale];
  const aside = Math.min(place.half * scale + 20, clientWidth / 2), above = clientHeight / 10;
  if (x - aside < scrollLeft || x + aside > scrollLeft + clientWidth) graph.scrollLeft = x - clientWidth / 2;
  if (y - above < scrollTop || y + above > scrollTop + clientHeight) graph.scrollTop = y - clientHeight / 2;
}

// ---------------------------------------------------------------------------------------------- moving

function go(to, quietly) {
  to = Math.max(0, Math.min(last, Math.round(to) || 0));
  root.classList.toggle("backward", to > entries.length);
  mark(position, to);
  position = to;
  part("slider").value = to;
  const k = entryAt(to);
  const text = k === null ? "at the start" : to <= entries.length ? `forward ${to} of ${entries.length}` : `backward ${to - entries.length} of ${back.length}`;
  part("position").textContent = text;
  part("slider").setAttribute("aria-valuetext", k === null ? text : `${text}, ${entries[k].name}`);
  showNow();
  showNode();
  showSums();
  part("step").value = k === null ? "" : entries[k].t ?? "";
  part("gate").value = k === null ? "" : entries[k].gate ?? "";
  follow(boxesOf(k ?? 0)[0]);
  if (!quietly) remember();
}

/** Keep the position in the address, where a page has one that it may change. */
function remember() {
  try { history.replaceState(null, "", "#" + position); } catch { /* in a frame of a notebook it has none */ }
}

function pick(k) {
  picked = k;
  mark(position, position);
  showNode();
}

function stop() {
  playing = false;
  part("toggle").textContent = "Play";
  part("now").setAttribute("aria-live", "polite");
  remember();
}

function play() {
  if (position === last) go(0, true);
  playing = true;
  part("toggle").textContent = "Pause";
  part("now").setAttribute("aria-live", "off");
  let before = null, due = 1;
  requestAnimationFrame(function frame(time) {
    if (!playing) return;
    due += before === null ? 0 : ((time - before) / 1000) * Number(part("speed").value);
    before = time;
    if (due >= 1) {
      go(position + Math.floor(due), true);
      due %= 1;
    }
    if (position === last) stop(); else requestAnimationFrame(frame);
  });
}

function toggle() {
  if (playing) stop(); else play();
}

/** The next position, from here on in this direction and then from its beginning, at which an entry is as asked. */
function find(fits) {
  const backward = position > entries.length;
  const [low, high] = backward ? [entries.length + 1, last] : [1, entries.length];
  for (let n = 1; n <= high - low + 1; n++) {
    const p = low + ((position - low + n + high - low + 1) % (high - low + 1));
    if (fits(entries[entryAt(p)])) return p;
  }
  return null;
}

function jump(label, value) {
  const wanted = label === "gate" ? part("step").value : "";
  const found = find((e) => e[label] === value && (!wanted || e.t === wanted)) ?? find((e) => e[label] === value);
  if (found !== null) go(found);
}

function nextStep(direction) {
  const here = entryAt(position);
  const t = here === null ? undefined : entries[here].t;
  let p = position + direction;
  while (p > 0 && p < last && entries[entryAt(p)].t === t) p += direction;
  go(p);
}

const KEYS = {
  ArrowRight: () => go(position + 1), ArrowLeft: () => go(position - 1),
  ArrowUp: () => nextStep(1), ArrowDown: () => nextStep(-1), PageUp: () => nextStep(1), PageDown: () => nextStep(-1),
  Home: () => go(0), End: () => go(last), " ": toggle, Escape: () => pick(null),
  "+": () => zoomTo(scale * 1.25), "=": () => zoomTo(scale * 1.25), "-": () => zoomTo(scale / 1.25), 0: () => zoomTo(0),
};

document.addEventListener("keydown", (event) => {
  const on = event.target.tagName;
  if (event.ctrlKey || event.altKey || event.metaKey || on === "SELECT" || !Object.hasOwn(KEYS, event.key)) return;
  if ((on === "BUTTON" || on === "SUMMARY") && event.key === " ") return; // space presses a button
  event.preventDefault();
  KEYS[event.key]();
});

// ---------------------------------------------------------------------------------------------- pointers

const pointers = new Map();
let pressed = null; // where a press began, and on which box

function listenToPointers() {
  graph.addEventListener("wheel", (event) => {
    event.preventDefault();
    if (event.shiftKey || event.deltaX) graph.scrollLeft += event.deltaX || event.deltaY;
    else zoomTo(scale * Math.exp(-event.deltaY / 500), event.clientX, event.clientY);
  }, { passive: false });
  graph.addEventListener("pointerdown", (event) => {
    if (event.button !== 0 || event.target === graph) return; // another button, or a scroll bar
    pointers.set(event.pointerId, event);
    pressed = pointers.size > 1 ? null : { event, box: event.target.closest("g[id]") };
    graph.setPointerCapture(event.pointerId);
  });
  graph.addEventListener("pointermove", (event) => {
    const before = pointers.get(event.pointerId);
    if (!before) return;
    if (pressed && Math.hypot(event.clientX - pressed.event.clientX, event.clientY - pressed.event.clientY) > 6) pressed = null;
    const apart = () => { const [a, b] = [...pointers.values()]; return Math.hypot(a.clientX - b.clientX, a.clientY - b.clientY); };
    const was = pointers.size === 2 ? apart() : 0;
    pointers.set(event.pointerId, event);
    if (pressed) return;
    graph.classList.add("dragged");
    if (was) zoomTo(scale * (apart() / was), event.clientX, event.clientY);
    graph.scrollLeft += before.clientX - event.clientX;
    graph.scrollTop += before.clientY - event.clientY;
  });
  for (const name of ["pointerup", "pointercancel"]) {
    graph.addEventListener(name, (event) => {
      pointers.delete(event.pointerId);
      graph.classList.remove("dragged");
      const number = name === "pointerup" && pressed ? /^v(\d+)/.exec(pressed.box?.id ?? "") : null;
      if (pressed) pick(number ? Number(number[1]) : null);
      pressed = null;
    });
  }
}

// ---------------------------------------------------------------------------------------------- beginning

function choices(select, label) {
  const values = [...new Set(entries.map((e) => e[label]).filter((v) => v !== undefined))];
  for (const value of ["", ...values]) {
    const option = element("option", "", value || "none");
    option.value = value;
    select.append(option);
  }
  select.disabled = !values.length;
  select.addEventListener("change", () => { if (select.value) jump(label, select.value); });
}

function begin() {
  root.classList.add("on");
  resize(window.innerWidth < 760 ? 0.6 : 0.75); // before anything asks for a place: the picture is laid out once
  part("slider").max = last;
  part("phases").children[0].style.flexGrow = entries.length;
  part("phases").children[1].style.flexGrow = back.length;
  part("slider").addEventListener("input", () => go(Number(part("slider").value)));
  choices(part("step"), "t");
  choices(part("gate"), "gate");
  for (const [name, key] of [["home", "Home"], ["back", "ArrowLeft"], ["toggle", " "], ["on", "ArrowRight"], ["end", "End"], ["out", "-"], ["fit", "0"], ["in", "+"]]) {
    part(name).addEventListener("click", KEYS[key]);
  }
  part("broken").disabled = tape.broken === null;
  part("broken").addEventListener("click", () => go(tape.broken));
  drawn.flat().forEach((box) => box.classList.add("waits"));
  makeSums();
  listenToPointers();
  if (scale < smallest()) zoomTo(0);
  const asked = () => Number(location.hash.slice(1)) || 0;
  window.addEventListener("hashchange", () => go(asked(), true));
  go(asked(), true);
}

begin();
