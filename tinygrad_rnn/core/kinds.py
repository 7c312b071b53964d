"""The kinds of operations: how a result depends on the arguments, in one word."""

KINDS = {
    "elementwise": "each entry of the result is made of the entries at its own place",
    "view": "the result is the first argument, read in another shape or in part: linear",
    "join": "the result is the arguments side by side: linear",
    "reduction": "a sum or a mean over axes: linear",
    "linear": "linear in all arguments together, in another way",
    "product": "linear in each argument",
    "": "none of these",
}
"""Kind -> its meaning. Forward mode, the compiler, the drawings and the derivations go by the kind."""

LINEAR = frozenset({"view", "join", "reduction", "linear"})
"""The kinds that are linear in all arguments together."""
