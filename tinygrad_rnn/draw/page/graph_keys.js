// The graph by keyboard: one box at a time has the focus. Up and down go along an arrow, left and right along a row,
// which leads from step to step; at its end the next row begins, so that every box is reached.

const ways = new Map(); // of each picture: its boxes row by row, and the boxes at either end of an arrow

function waysOf(which) {
  if (ways.has(which.svg)) return ways.get(which.svg);
  const boxes = [...which.svg.querySelectorAll("g[id]")];
  const at = new Map(boxes.map((box) => [box, placeOf(box)]));
  const rows = [];
  for (const box of [...boxes].sort((a, b) => at.get(b).y - at.get(a).y)) {
    const row = rows[rows.length - 1];
    if (row && Math.abs(at.get(row[0]).y - at.get(box).y) < 8) row.push(box); else rows.push([box]);
  }
  const order = rows.flatMap((row) => row.sort((a, b) => at.get(a).x - at.get(b).x));
  const reads = new Map(boxes.map((box) => [box, []]));
  const readBy = new Map(boxes.map((box) => [box, []]));
  for (const arrow of which.svg.querySelectorAll("path[id]")) {
    const [source, target] = arrow.id.slice(which.prefix.length).split("-")
      .map((id) => document.getElementById(which.prefix + id));
    if (!reads.has(source) || !reads.has(target)) continue;
    reads.get(target).push(source);
    readBy.get(source).push(target);
  }
  const found = { order, place: new Map(order.map((box, n) => [box, n])), reads, readBy };
  ways.set(which.svg, found);
  return found;
}

let reachable = null; // the box that the tabulator key comes to

function reachByKeys() {
  for (const box of level.svg.querySelectorAll("g[id]")) {
    if (box.hasAttribute("role")) continue;
    box.setAttribute("role", "button");
    box.setAttribute("tabindex", "-1");
    box.setAttribute("aria-label", labelOf(box));
  }
  level.svg.setAttribute("role", "group");
  level.svg.setAttribute("aria-label", say("Graph. Arrow keys go from node to node, Enter selects one."));
  reach(boxAtHand() ?? level.svg.querySelector("g[id]"));
}

function reach(box) {
  reachable?.setAttribute("tabindex", "-1");
  reachable = box;
  box?.setAttribute("tabindex", "0");
}

/** Let a key move the focus or select; say whether it did. */
function moveInGraph(event) {
  const box = event.target.closest("g[id]");
  const { order, place, reads, readBy } = waysOf(level);
  const n = place.get(box);
  const to = {
    ArrowLeft: order[n - 1], ArrowRight: order[n + 1], ArrowUp: readBy.get(box)[0], ArrowDown: reads.get(box)[0],
    Home: order[0], End: order[order.length - 1],
  };
  if (event.key === "Enter" || event.key === " ") pick(entryOf(box));
  else if (!Object.hasOwn(to, event.key)) return false;
  else if (to[event.key]) {
    reach(to[event.key]);
    to[event.key].focus({ preventScroll: true });
    follow(to[event.key]);
  }
  event.preventDefault();
  return true;
}
