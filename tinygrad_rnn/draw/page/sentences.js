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
  return (entry.where ?? "").split(" ").map((pair) => pair.replace(/^t=/, "step ").replace("=", " ")).join(", ");
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
  return count > 1 ? `${product.part ? "part" : "term"} ${term.get(product)} of ${count}` : "";
}

/** `, the sum of 2 terms,` of a cotangent. */
function madeOf(k) {
  const come = arrivals[k];
  if (come.length < 2) return "";
  return come.every(([, product]) => product.part) ? `, of ${come.length} parts,` : `, the sum of ${come.length} terms,`;
}

/** One line for those who hear the page. */
function spoken() {
  const k = entryAt(position);
  if (k === null) return "At the start. Nothing has run yet.";
  const where = [whereabouts(entries[k])].filter(Boolean).map((text) => `, ${text}`).join("");
  if (position <= entries.length) {
    const value = entries[k].head === undefined ? statement(k) : `${written(k)}, in ${statement(k)}`;
    return brief(`Forward${where}: ${value}. Norm ${said(arrays[entries[k].value].norm)}.`, k);
  }
  const found = leaving(k);
  const sent = isPassedOn(found) ? [`its terms receive ${found[0][0].name} unchanged`]
    : found.map(([, p]) => `${gradient(p.name)} receives ${p.rule}`);
  return brief(`Backward${where}: from ${statement(k)}, ${sent.join("; ") || "nothing goes on"}.`, k);
}
