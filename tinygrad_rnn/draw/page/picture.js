// The picture: what is lit, where it is scrolled to, how large it is; the mouse and fingers on it.

let lit = []; // [box, class] of this position alone

function light(box, name) {
  if (!box) return;
  box.classList.add(name);
  lit.push([box, name]);
}

function unlight() {
  lit.forEach(([box, name]) => box.classList.remove(name));
  lit = [];
}

/** The box at a position. */
function boxAtHand() {
  return boxesOf(entryAt(position) ?? 0)[0];
}

function pick(k) {
  const pressed = (value) => picked !== null && boxesOf(picked).forEach((box) => box.setAttribute("aria-pressed", value));
  pressed(false);
  picked = k;
  pressed(true);
  mark(position, position);
  showNode();
  if (k !== null && !isOpen("node")) turnPanel("node");
}

const graph = part("graph");
const READABLE = 0.8; // at a smaller scale the names in the boxes cannot be read
const LARGEST = 1.5; // the scale up to which a small picture grows to fit
let svg = level.svg;
let full = svg.viewBox.baseVal;
let scale = 1; // pixels on the screen for each point of the picture
let fitted = true; // does the picture follow the size of the window?
const places = new Map(); // where a box is in its picture, measured once

function placeOf(box) {
  if (!places.has(box)) {
    const { x, y, width, height } = box.getBBox();
    places.set(box, { x: x - full.x + width / 2, y: y - full.y + height / 2, half: width / 2 });
  }
  return places.get(box);
}

/** Turn to the picture of the level. */
function usePicture() {
  svg = level.svg;
  full = svg.viewBox.baseVal;
  fit();
}

/** The scale at which the whole picture is seen. */
function whole() {
  return Math.min(graph.clientWidth / full.width, graph.clientHeight / full.height, LARGEST);
}

/** Show the whole picture, or, if it could not be read, as much as can be, around the box at hand. */
function fit() {
  const fits = whole();
  resize(fits >= READABLE ? fits : Math.max(READABLE, Math.min(graph.clientHeight / full.height, 1)));
  fitted = true;
  follow(boxAtHand());
}

function resize(wanted) {
  scale = wanted;
  svg.style.width = `${full.width * scale}px`;
  svg.style.height = `${full.height * scale}px`;
}

/** Show the picture at a scale, and keep what is at this place of the screen, by default the middle, where it is. */
function zoomTo(wanted, x, y) {
  fitted = false;
  const frame = graph.getBoundingClientRect();
  const at = { x: x ?? frame.left + frame.width / 2, y: y ?? frame.top + frame.height / 2 };
  const before = svg.getBoundingClientRect();
  const factor = Math.min(Math.max(wanted, Math.min(whole(), 1)), 6) / scale;
  resize(scale * factor);
  const after = svg.getBoundingClientRect();
  graph.scrollLeft += after.left + (at.x - before.left) * factor - at.x;
  graph.scrollTop += after.top + (at.y - before.top) * factor - at.y;
}

/** Scroll if the box is not well inside what is seen. */
function follow(box) {
  if (!box?.getClientRects().length) return; // of a picture that is not shown
  const place = placeOf(box);
  const { scrollLeft, scrollTop, clientWidth, clientHeight } = graph;
  const [x, y] = [place.x * scale, place.y * scale];
  const aside = Math.min(place.half * scale + 20, clientWidth / 2), above = clientHeight / 10;
  if (x - aside < scrollLeft || x + aside > scrollLeft + clientWidth) graph.scrollLeft = x - clientWidth / 2;
  if (y - above < scrollTop || y + above > scrollTop + clientHeight) graph.scrollTop = y - clientHeight / 2;
}

const framed = window.self !== window.top;
let used = false; // has anything been pressed since the window had the focus?

const pointers = new Map();
let pressed = null; // where a press began, and on which box

function apart(a, b) {
  return Math.hypot(a.clientX - b.clientX, a.clientY - b.clientY);
}

function listenToPointers() {
  for (const name of ["pointerdown", "keydown"]) window.addEventListener(name, () => { used = true; });
  window.addEventListener("blur", () => { used = false; });
  graph.addEventListener("mousedown", (event) => event.preventDefault()); // the arrow keys go on playing
  graph.addEventListener("wheel", (event) => {
    if (framed && !used) return; // the notebook around it scrolls
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
      if (pressed) pick(name === "pointerup" ? entryOf(pressed.box) : null);
      pressed = null;
    });
  }
}
