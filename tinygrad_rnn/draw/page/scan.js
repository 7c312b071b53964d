// The scan as data: two levels, which are two scans, each with a frame for every position, and a picture for every chain.

function makeLevel(name) {
  const svgs = [...document.querySelectorAll(`#play-graph > [data-level="${name}"] > svg`)];
  const frames = given.levels[name];
  return { name, frames, svgs, svg: svgs[0], prefix: "", stops: frames.map((_, n) => n) };
}

const LEVELS = { scan: makeLevel("scan"), lean: makeLevel("lean") };
let level = LEVELS[root.dataset.level];

/** The id of a box of a frame. */
function idOf(frame, box) {
  return frame.prefix + box;
}

/** The id of the first box that a position makes. */
function entryAt(p) {
  const frame = level.frames[p];
  return idOf(frame, frame.at);
}

function boxesOf(id) {
  const box = document.getElementById(id);
  return box ? [box] : [];
}

function entryOf(box) {
  return box?.id ?? null;
}

/** A text with its subscripts as they are heard, `g_2`. */
function flat(text) {
  return text.replace(/_\{([^{}]*)\}/g, "_$1");
}

/** What a box is called by those who hear it. */
function labelOf(box) {
  const { name, rules } = given.boxes[box.id];
  return [name, ...rules].map(flat).join(say(", "));
}

/** Show the picture of a position: what is not made yet is faint, what is made and read there has a heavy edge. */
function mark(from, to) {
  const frame = level.frames[to];
  const other = level.svgs[frame.picture];
  level.svgs.forEach((each) => each.toggleAttribute("hidden", each !== other));
  level.svg = other;
  if (picked !== null && !other.contains(boxesOf(picked)[0])) pick(null);
  for (const box of other.querySelectorAll("[id]")) {
    const [, walk, round] = /(?:w(\d+)|n(\d+)_\d+)$/.exec(box.id) ?? [];
    box.classList.toggle("waits", Number(walk ?? 0) > frame.walk || Number(round ?? 0) > frame.level);
  }
  unlight();
  if (picked !== null) boxesOf(picked).forEach((box) => light(box, "picked"));
  for (const product of frame.products) {
    product.from.forEach((box) => light(boxesOf(idOf(frame, box))[0], "read"));
    light(boxesOf(idOf(frame, product.to))[0], "now");
  }
}
