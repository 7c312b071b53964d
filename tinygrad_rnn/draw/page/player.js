// The tape, played: what a position shows, and the lists that jump.

/** Go to a position, or to the next one at which a box of the picture is done. */
function go(to, quietly) {
  const place = stopFrom(Math.max(0, Math.min(end(), Math.round(to) || 0)));
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
  follow(boxAtHand());
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

for (const each of Object.values(LEVELS)) each.drawn.forEach((boxes) => boxes.forEach((box) => box.classList.add("waits")));
part("phases").children[0].style.flexGrow = entries.length;
part("phases").children[1].style.flexGrow = back.length;
choices(part("step"), "t");
choices(part("gate"), "gate");
part("broken").hidden = given.broken === null;
part("broken").addEventListener("click", () => go(given.broken));
makeSums();
begin();
