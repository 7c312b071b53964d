"""The engine: a Tensor, the tape that records what is done with it, the walk back. `operations/` fills its table."""

from tinygrad_rnn.core.recording import scope
from tinygrad_rnn.core.table import PRIMITIVES, TABLE, Primitive, primitive
from tinygrad_rnn.core.tape import Entry, Step, Tape
from tinygrad_rnn.core.tensor import Tensor, named

__all__ = ["PRIMITIVES", "TABLE", "Entry", "Primitive", "Step", "Tape", "Tensor", "named", "primitive", "scope"]
