// The tape as data, and which box of which picture belongs to which entry.
// Position p of the player: p entries have run; beyond that, p - entries.length of them have been walked back.

const { entries, back, leaves, paper } = given;

const backOf = new Map(back.map((step, j) => [step.entry, j])); // when the walk back reads an entry
const arrivals = entries.map(() => []); // what comes to each entry: [j, product]
const sums = leaves.map(() => []); // the gradient of each leaf as it grows: [position, array]
const term = new Map(); // of each product, which term of its sum it is
back.forEach((step, j) => {
  for (const product of step.products) {
    const sum = product.to >= 0 ? arrivals[product.to] : sums[-1 - product.to];
    sum.push(product.to >= 0 ? [j, product] : [entries.length + j + 1, product.total]);
    term.set(product, sum.length);
    if (product.to < 0 && product.part) leaves[-1 - product.to].parts = true;
  }
});

/** A level of detail: a picture, with a box for each entry, or for each gate, state and named value. */
function makeLevel(name, prefix, lastOf) {
  const svg = document.querySelector(`#play-graph > [data-level="${name}"] > svg`);
  const box = (id) => document.getElementById(prefix + id);
  const members = new Map();
  lastOf.forEach((end, k) => members.set(end, [...(members.get(end) ?? []), k]));
  // A view is not drawn: it stands in its reader's copy, `v<reader>_<argument>`.
  const copies = entries.map((entry, k) => entry.args.map((_, n) => box(`v${k}_${n}`)));
  const own = entries.map((_, k) => box(`v${lastOf[k]}`));
  const ends = new Map(); // position -> the last entry of the box that is done there
  for (const [end, group] of members) {
    ends.set(end + 1, end);
    const reached = group.filter((k) => backOf.has(k)).map((k) => backOf.get(k));
    if (reached.length) ends.set(entries.length + Math.max(...reached) + 1, end);
  }
  const stops = [0, ...[...ends.keys()].sort((a, b) => a - b)];
  const drawn = new Map([...members].map(([end, group]) =>
    [end, own[end] ? [own[end], ...group.flatMap((k) => copies[k]).filter(Boolean)] : []]));
  return { name, prefix, svg, lastOf, members, copies, own, ends, stops, drawn, gap: box("gap") };
}

const LEVELS = {
  gates: makeLevel("gates", "g", entries.map((entry) => entry.box)),
  ops: makeLevel("ops", "", entries.map((_, k) => k)),
};
let level = LEVELS[root.dataset.level];

const readers = entries.map(() => []);
entries.forEach((entry, k) => entry.args.forEach((a, n) => a !== null && a >= 0 && readers[a].push([k, n])));

function boxesOf(start) {
  if (level.own[start]) return [level.own[start]];
  const found = new Set();
  const todo = [start]; // a view may be read by another view
  for (let n = 0; n < Math.min(todo.length, 50); n++) {
    for (const [reader, argument] of readers[todo[n]]) {
      if (level.copies[reader][argument]) found.add(level.copies[reader][argument]);
      else if (!level.own[reader]) todo.push(reader);
    }
  }
  if (!found.size && level.gap) found.add(level.gap);
  return [...found];
}

/** The last entry of the box that is done at a position, null at the start. */
function entryAt(p) {
  return p === 0 ? null : level.ends.get(p) ?? (p <= entries.length ? p - 1 : back[p - entries.length - 1].entry);
}

/** The entry that a box stands for, or that reads it; null for none. */
function entryOf(box) {
  const number = /^g?v(\d+)/.exec(box?.id ?? "");
  return number ? Number(number[1]) : null;
}

/** Light the boxes of the way from one position to another, in the picture that is seen. */
function mark(from, to) {
  const sign = to > from;
  for (let p = Math.min(from, to) + 1; p <= Math.max(from, to); p++) {
    const end = level.ends.get(p);
    if (end === undefined) continue;
    if (p <= entries.length) level.drawn.get(end).forEach((box) => box.classList.toggle("waits", !sign));
    else level.own[end]?.classList.toggle("passed", sign);
  }
  unlight();
  const k = entryAt(to);
  if (picked !== null) boxesOf(picked).forEach((box) => light(box, "picked"));
  if (k === null) return;
  const forward = to <= entries.length;
  const sent = new Set(forward ? [] : leaving(k).map(([, product]) => product.to));
  for (const m of level.members.get(k) ?? [k]) {
    entries[m].args.forEach((a, n) => {
      const box = level.copies[m][n] ?? level.own[a];
      if (box && box !== level.own[k] && a !== null && (forward || sent.has(a))) light(box, forward ? "read" : "gets");
    });
  }
  boxesOf(k).forEach((box) => light(box, "now"));
}
