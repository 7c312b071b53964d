"""The engine: a Tensor, the tape that records operations on it, and the walk back over the tape.

Read six files, in this order: `recording` (the open tapes), `table` (an operation and its derivatives), `sparse` (the
cotangent of `x[t]`), `tensor` (`apply`, the one way an operation runs), `backward` (`walk`, the one loop back), `tape`
(`gradient`). The other files can be skipped: `values`, `numpy_face` and `calling` (a Tensor as an array), `constants`
(arguments that are no Tensors), `trees` (Tensors in tuples, lists and dicts), `kinds` (the kinds of operations),
`errors`, `callers` and `counting` (all texts, and the user's line), `rich` (what a notebook asks). The engine imports
NumPy alone and names no operation: `operations/` fills the table.
"""

from tinygrad_rnn.core.recording import scope
from tinygrad_rnn.core.table import PRIMITIVES, TABLE, Primitive, primitive
from tinygrad_rnn.core.tape import Entry, Step, Tape
from tinygrad_rnn.core.tensor import Line, Tensor, named

__all__ = ["PRIMITIVES", "TABLE", "Entry", "Line", "Primitive", "Step", "Tape", "Tensor", "named", "primitive", "scope"]
