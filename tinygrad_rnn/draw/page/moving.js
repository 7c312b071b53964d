// Moving from stop to stop: by keys, buttons, the slider, by itself. A page has levels with stops, and says what `go`,
// `nextStep`, `mark`, `showNode` and `spoken` do.

/** The last stop. */
function end() {
  return level.stops[level.stops.length - 1];
}

/** The place among the stops of the first one that is not before a position. */
function stopFrom(p) {
  const { stops } = level;
  let low = 0;
  for (let high = stops.length - 1; low < high;) {
    const middle = (low + high) >> 1;
    if (stops[middle] < p) low = middle + 1; else high = middle;
  }
  return low;
}

/** Go on by a number of stops. */
function move(by) {
  go(level.stops[Math.max(0, Math.min(level.stops.length - 1, stopFrom(position) + by))]);
}

/** Show the other picture, at the same position. */
function show(name) {
  mark(position, 0);
  level = LEVELS[name];
  const here = position;
  position = 0;
  root.dataset.level = name;
  part("slider").max = end();
  for (const other of Object.keys(LEVELS)) part(other).setAttribute("aria-pressed", other === name);
  usePicture();
  go(here);
  reachByKeys();
}

/** Keep the position in the address, where a page has one that it may change. */
function remember() {
  try { history.replaceState(null, "", `#${level.name === opened ? "" : `${level.name}-`}${position}`); } catch { /* in a frame of a notebook it has none */ }
}

function stop() {
  playing = false;
  part("toggle").textContent = say("Play");
  part("said").textContent = spoken();
  remember();
}

function play() {
  if (position === end()) go(0, true);
  playing = true;
  part("toggle").textContent = say("Pause");
  let before = null, due = 1;
  requestAnimationFrame(function frame(time) {
    if (!playing) return;
    due += before === null ? 0 : ((time - before) / 1000) * Number(part("speed").value);
    before = time;
    if (due >= 1) {
      go(level.stops[Math.min(stopFrom(position) + Math.floor(due), level.stops.length - 1)], true);
      due %= 1;
    }
    if (position === end()) stop(); else requestAnimationFrame(frame);
  });
}

function toggle() {
  if (playing) stop(); else play();
}

const KEYS = {
  ArrowRight: () => move(1), ArrowLeft: () => move(-1), ".": () => move(1), ",": () => move(-1),
  ArrowUp: () => nextStep(1), ArrowDown: () => nextStep(-1), PageUp: () => nextStep(1), PageDown: () => nextStep(-1),
  Home: () => go(0), End: () => go(end()), " ": toggle, Escape: () => pick(null),
  "+": () => zoomTo(scale * 1.25), "=": () => zoomTo(scale * 1.25), "-": () => zoomTo(scale / 1.25),
  0: () => { zoomTo(whole()); fitted = true; },
  l: () => show(Object.keys(LEVELS).find((name) => name !== level.name)),
};
const SCROLL = new Set(["ArrowUp", "ArrowDown", "PageUp", "PageDown", "Home", "End"]);

document.addEventListener("keydown", (event) => {
  const on = event.target;
  if (event.ctrlKey || event.altKey || event.metaKey || on.tagName === "SELECT") return;
  if (on.closest("#play-graph g[id]") && moveInGraph(event)) return;
  if (!Object.hasOwn(KEYS, event.key)) return;
  if (["BUTTON", "SUMMARY"].includes(on.tagName) && event.key === " ") return; // space presses a button
  if (on.classList.contains("scrolls") && SCROLL.has(event.key)) return;
  event.preventDefault();
  KEYS[event.key]();
});

/** Open or close a panel by its heading. */
function open(name, wanted) {
  part(`${name}-name`).setAttribute("aria-expanded", wanted);
  part(`${name}-inside`).hidden = !wanted;
  if (name === "node" && wanted) showNode();
}

const isOpen = (name) => !part(`${name}-inside`).hidden;
const isLow = () => window.innerWidth >= 760 && window.innerHeight < 900; // one of the two panels has room

function turnPanel(name) {
  const other = name === "node" ? "sums" : "node";
  open(name, !isOpen(name));
  if (isOpen(name) && isLow()) open(other, false);
}

const opened = root.dataset.level;

/** Go to the position in the address, `#42`, or `#ops-42` at another level. */
function fromAddress() {
  const [, name, number] = /^#(?:([a-z]+)-)?(\d+)$/.exec(location.hash) ?? [];
  const wanted = Object.hasOwn(LEVELS, name ?? "") ? name : opened;
  if (wanted !== level.name) show(wanted);
  go(Number(number ?? 0), true);
}

/** Make the page ready, once what is its own is ready. */
function begin() {
  root.classList.add("on");
  part("slider").max = end();
  part("slider").addEventListener("input", () => go(Number(part("slider").value)));
  const buttons = {
    home: "Home", back: "ArrowLeft", toggle: " ", on: "ArrowRight", end: "End", out: "-", fit: "0", in: "+",
  };
  for (const [name, key] of Object.entries(buttons)) part(name).addEventListener("click", KEYS[key]);
  for (const name of Object.keys(LEVELS)) {
    part(name).addEventListener("click", () => show(name));
    part(name).setAttribute("aria-pressed", name === level.name);
  }
  for (const name of ["sums", "node"]) part(`${name}-name`).addEventListener("click", () => turnPanel(name));
  open("node", !isLow());
  open("sums", window.innerWidth < 760 || window.innerHeight >= 620);
  listenToPointers();
  window.addEventListener("hashchange", fromAddress);
  window.addEventListener("resize", () => { if (fitted) fit(); });
  window.addEventListener("beforeprint", () => { for (const name of ["sums", "node"]) open(name, true); });
  fit();
  fromAddress();
  reachByKeys();
}
