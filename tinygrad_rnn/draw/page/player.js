// Moving along the tape: by keys, buttons, the slider, by itself.

function go(to, quietly) {
  to = Math.max(0, Math.min(last, Math.round(to) || 0));
  root.classList.toggle("backward", to > entries.length);
  mark(position, to);
  position = to;
  part("slider").value = to;
  const k = entryAt(to);
  const n = entries.length;
  const text = k === null ? "at the start"
    : to <= n ? `forward ${to} of ${n}` : `backward ${to - n} of ${back.length}`;
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
  const buttons = {
    home: "Home", back: "ArrowLeft", toggle: " ", on: "ArrowRight", end: "End", out: "-", fit: "0", in: "+",
  };
  for (const [name, key] of Object.entries(buttons)) part(name).addEventListener("click", KEYS[key]);
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
