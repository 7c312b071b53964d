// The words of the page in its language. A template is the English sentence; the page has translations of those that are
// written out in a call of `say` or `phrase`.

/** A sentence, with parts in the places of its placeholders. */
function say(template, parts = {}) {
  return phrase(template, parts).join("");
}

/** The pieces of a sentence, among which parts may be elements. */
function phrase(template, parts) {
  const words = given.words?.[template] ?? template;
  return words.split(/\{(\w+)\}/).flatMap((piece, n) => (n % 2 ? parts[piece] : piece));
}
