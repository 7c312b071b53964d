// The picture: what is lit, where it is scrolled to, how large it is; the mouse and fingers on it.

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
    entries[k].args.forEach((a, n) => a === product.to && light(copies[k][n] ?? own[a], "gets"));
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

const pointers = new Map();
let pressed = null; // where a press began, and on which box

function apart(a, b) {
  return Math.hypot(a.clientX - b.clientX, a.clientY - b.clientY);
}

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
    if (pressed && apart(event, pressed.event) > 6) pressed = null; // a drag
    const was = pointers.size === 2 ? apart(...pointers.values()) : 0;
    pointers.set(event.pointerId, event);
    if (pressed) return;
    graph.classList.add("dragged");
    if (was) zoomTo(scale * (apart(...pointers.values()) / was), event.clientX, event.clientY);
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
