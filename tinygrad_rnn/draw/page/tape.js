"use strict";
// What the page is given: the tape as data, and which box of the picture belongs to which entry.
// Position p of the player: p entries have run; beyond that, p - entries.length of them have been walked back.

const tape = JSON.parse(document.getElementById("play-data").textContent);
const { entries, back, leaves, arrays } = tape;
const last = entries.length + back.length;
const part = (name) => document.getElementById("play-" + name);
const root = document.documentElement;

// The state of the page.
let position = 0;
let picked = null; // the entry that was clicked; null follows the player
let playing = false;

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
