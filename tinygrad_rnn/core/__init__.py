"""The engine: a Tensor, the tape that records what is done with it, the walk back. `operations/` fills its table.

Read six files, in this order: `recording` (which tapes are open), `table` (what an operation is), `sparse` (the
cotangent of `x[t]`), `tensor` (`apply`, the one way an operation runs), `backward` (`walk`, the one loop back), `tape`
(`gradient`). What stands beside them can be skipped: `values` and `numpy_face` (a Tensor as an array), `constants`
(arguments that are no Tensors), `errors` (all wording). The engine imports NumPy alone and knows no operation.
"""

from tinygrad_rnn.core.recording import scope
from tinygrad_rnn.core.table import PRIMITIVES, TABLE, Primitive, primitive
from tinygrad_rnn.core.tape import Entry, Step, Tape
from tinygrad_rnn.core.tensor import Line, Tensor, named

__all__ = ["PRIMITIVES", "TABLE", "Entry", "Line", "Primitive", "Step", "Tape", "Tensor", "named", "primitive", "scope"]
