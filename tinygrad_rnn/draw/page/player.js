// Moving along the tape: by keys, buttons, the slider, by itself.

/** Go to a position, or to the next one at which a box of the picture is done. */
function go(to, quietly) {
  const place = stopFrom(Math.max(0, Math.min(last, Math.round(to) || 0)));
  to = level.stops[place];
  root.classList.toggle("backward", to > entries.length);
  mark(position, to);
  position = to;
  part("slider").value = to;
  part("position").textContent = told(place);
  const k = entryAt(to);
  part("slider").setAttribute("aria-valuetext", k === null ? told(place) : `${told(place)}, ${written(k)}`);
  showNow();
  showNode();
  showSums();
  if (!playing) part("said").textContent = spoken();
  part("step").value = k === null ? "" : entries[k].t ?? "";
  part("gate").value = k === null ? "" : entries[k].gate ?? "";
  follow(boxesOf(k ?? 0)[0]);
  if (!quietly) remember();
}

/** `forward 3 of 20`: of the entries, or of the boxes. */
function told(place) {
  if (place === 0) return say("at the start");
  const forward = stopFrom(entries.length);
  const boxes = level.name !== "ops";
  const at = place <= forward ? { n: place, all: forward } : { n: place - forward, all: level.stops.length - 1 - forward };
  if (place <= forward) return boxes ? say("forward {n} of {all} boxes", at) : say("forward {n} of {all}", at);
  return boxes ? say("backward {n} of {all} boxes", at) : say("backward {n} of {all}", at);
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
  svg = level.svg;
  full = svg.viewBox.baseVal;
  for (const other of Object.keys(LEVELS)) part(other).setAttribute("aria-pressed", other === name);
  fit();
  go(here);
  reachByKeys();
}

/** Keep the position in the address, where a page has one that it may change. */
function remember() {
  try { history.replaceState(null, "", `#${level.name === opened ? "" : `${level.name}-`}${position}`); } catch { /* in a frame of a notebook it has none */ }
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

function stop() {
  playing = false;
  part("toggle").textContent = say("Play");
  part("said").textContent = spoken();
  remember();
}

function play() {
  if (position === last) go(0, true);
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
    if (position === last) stop(); else requestAnimationFrame(frame);
  });
}

function toggle() {
  if (playing) stop(); else play();
}

/** The next stop, from here on in this direction and then from its beginning, at which an entry is as asked. */
function find(fits) {
  const { stops } = level;
  const forward = stopFrom(entries.length);
  const [low, high] = position > entries.length ? [forward + 1, stops.length - 1] : [1, forward];
  const here = stopFrom(position);
  for (let n = 1; n <= high - low + 1; n++) {
    const p = stops[low + ((here - low + n + high - low + 1) % (high - low + 1))];
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
  const { stops } = level;
  const here = entryAt(position);
  const t = here === null ? undefined : entries[here].t;
  let place = stopFrom(position) + direction;
  while (place > 0 && place < stops.length - 1 && entries[entryAt(stops[place])].t === t) place += direction;
  go(stops[Math.max(0, Math.min(place, stops.length - 1))]);
}

const KEYS = {
  ArrowRight: () => move(1), ArrowLeft: () => move(-1), ".": () => move(1), ",": () => move(-1),
  ArrowUp: () => nextStep(1), ArrowDown: () => nextStep(-1), PageUp: () => nextStep(1), PageDown: () => nextStep(-1),
  Home: () => go(0), End: () => go(last), " ": toggle, Escape: () => pick(null),
  "+": () => zoomTo(scale * 1.25), "=": () => zoomTo(scale * 1.25), "-": () => zoomTo(scale / 1.25),
  0: () => { zoomTo(whole()); fitted = true; },
  l: () => show(level.name === "ops" ? "gates" : "ops"),
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

function choices(select, label) {
  const values = [...new Set(entries.map((e) => e[label]).filter((v) => v !== undefined))];
  for (const value of ["", ...values]) {
    const option = element("option", "", value || say("none"));
    option.value = value;
    select.append(option);
  }
  select.disabled = !values.length;
  select.addEventListener("change", () => { if (select.value) jump(label, select.value); });
}

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

/** Go to the position in the address, `#42` or `#ops-42`. */
function fromAddress() {
  const [, name, number] = /^#(?:(ops|gates)-)?(\d+)$/.exec(location.hash) ?? [null, null, 0];
  if ((name ?? opened) !== level.name) show(name ?? opened);
  go(Number(number), true);
}

function begin() {
  root.classList.add("on");
  for (const each of Object.values(LEVELS)) each.drawn.forEach((boxes) => boxes.forEach((box) => box.classList.add("waits")));
  part("slider").max = last;
  part("phases").children[0].style.flexGrow = entries.length;
  part("phases").children[1].style.flexGrow = back.length;
  part("slider").addEventListener("input", () => go(Number(part("slider").value)));
  choices(part("step"), "t");
  choices(part("gate"), "gate");
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
  part("broken").hidden = tape.broken === null;
  part("broken").addEventListener("click", () => go(tape.broken));
  makeSums();
  listenToPointers();
  window.addEventListener("hashchange", fromAddress);
  window.addEventListener("resize", () => { if (fitted) fit(); });
  window.addEventListener("beforeprint", () => { for (const name of ["sums", "node"]) open(name, true); });
  fit();
  fromAddress();
  reachByKeys();
}

begin();
