"""What an operation does to its arguments, in one word."""

KINDS = {
    "elementwise": "each entry of the result is made of the entries at its own place",
    "view": "the result is the first argument, read in another shape or in part: linear",
    "join": "the result is the arguments side by side: linear",
    "reduction": "a sum or a mean over axes: linear",
    "linear": "linear in all arguments together, in another way",
    "product": "linear in each argument",
    "": "none of these",
}
"""What an operation does to its arguments: forward mode, the compiler, the drawings and the derivations go by it."""

LINEAR = frozenset({"view", "join", "reduction", "linear"})
"""The kinds that are linear in all arguments together."""
