// What happens at a position, in words. A cotangent `dh_1` of a rule is short for dL/dh_1.

/** A value as it is written: by its name, or, of a term, by its expression. */
function written(k) {
  return entries[k].name ?? entries[k].rule;
}

/** The entry in whose statement another is a term. */
function headOf(k) {
  return entries[k].head ?? k;
}

function statement(k) {
  const head = entries[headOf(k)];
  return head.name === undefined || head.name === head.rule ? head.rule : `${head.name} = ${head.rule}`;
}

/** A name as it is written beside an entry of the same layer: without the layer. */
function brief(text, k) {
  const label = (entries[k].where ?? "").split(" ").filter((pair) => pair && !/^(t|gate)=/.test(pair)).join(" ");
  if (!label || !text.includes(`{${label}}`)) return text;
  return text.replaceAll(`{${label}}`, "").replace(/\bd\((\w+(?:_\{-\d+\})?)\)/g, "d$1");
}

function code(...text) {
  return element("code", "", ...text);
}

/** `layer 1, direction reverse, step 2, gate f` for the labels of an entry. */
function whereabouts(entry) {
  return (entry.where ?? "").split(" ").map(labelled).join(say(", "));
}

function labelled(pair) {
  const [, key, value] = /^(\w+)=(.*)$/.exec(pair) ?? [];
  if (key === "t") return say("step {value}", { value });
  if (key === "layer") return say("layer {value}", { value });
  if (key === "gate") return say("gate {value}", { value });
  if (key !== "direction") return pair.replace("=", " ");
  const words = { forward: say("forward"), reverse: say("reverse") };
  return say("direction {value}", { value: Object.hasOwn(words, value) ? words[value] : value });
}

/** The products of the box at a position that leave it, in the order in which they are sent: [step, product]. */
function leaving(k) {
  const found = [];
  const group = level.members.get(k) ?? [k];
  for (const member of [...group].reverse()) {
    const step = back[backOf.get(member)];
    for (const product of step?.products ?? []) {
      const to = product.to;
      const stays = group.length > 1 && to >= 0 && entries[to].head !== undefined && level.lastOf[to] === level.lastOf[k];
      if (!stays) found.push([step, product]);
    }
  }
  return found;
}

/** Do all terms of a sum only receive the cotangent of the sum? */
function isPassedOn(found) {
  return found.length > 1 && found.every(([step, product]) => product.rule === step.name && product.to >= 0
    && entries[product.to].head !== undefined && step === found[0][0] && entries[step.entry].op === "add");
}

function gradient(name) {
  return `dL/${name}`;
}

/** `term 2 of 3`: of a gradient that is a sum; `part 2 of 4` of one that arrives in parts. */
function which(product) {
  const count = (product.to >= 0 ? arrivals[product.to] : sums[-1 - product.to]).length;
  const parts = { n: term.get(product), count };
  return count < 2 ? "" : product.part ? say("part {n} of {count}", parts) : say("term {n} of {count}", parts);
}

/** `, the sum of 2 terms,` of a cotangent. */
function madeOf(k) {
  const come = arrivals[k];
  if (come.length < 2) return "";
  const count = come.length;
  return come.every(([, product]) => product.part) ? say(", of {count} parts,", { count }) : say(", the sum of {count} terms,", { count });
}

/** One line for those who hear the page. */
function spoken() {
  const k = entryAt(position);
  if (k === null) return say("At the start. Nothing has run yet.");
  const where = [whereabouts(entries[k])].filter(Boolean).map((text) => say(", ") + text).join("");
  if (position <= entries.length) {
    const value = entries[k].head === undefined ? statement(k) : say("{value}, in {statement}", { value: written(k), statement: statement(k) });
    const norm = said(arrays[entries[k].value].norm);
    return brief(say("Forward{where}: {value}. Norm {norm}.", { where, value, norm }), k);
  }
  const found = leaving(k);
  const sent = isPassedOn(found) ? [say("its terms receive {name} unchanged", { name: found[0][0].name })]
    : found.map(([, p]) => say("{gradient} receives {rule}", { gradient: gradient(p.name), rule: p.rule }));
  const all = sent.join(say("; ")) || say("nothing goes on");
  return brief(say("Backward{where}: from {statement}, {sent}.", { where, statement: statement(k), sent: all }), k);
}

/** What a box is called by those who hear it. */
function labelOf(box) {
  const id = box.id.slice(level.prefix.length);
  const k = entryOf(box);
  if (k === null) return box.querySelector("title")?.textContent ?? "";
  const where = whereabouts(entries[k]);
  if (id === `v${k}`) return [statement(k), where].filter(Boolean).join(say(", "));
  const title = (box.querySelector("title")?.textContent ?? "").replace(/\s+/g, " ");
  return [title, where, say("read by {name}", { name: written(k) })].filter(Boolean).join(say(", "));
}
