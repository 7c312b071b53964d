"""The compiler: a tape rolled up by time, differentiated, improved by passes and run over memory of its own."""

from tinygrad_rnn.compiler.compiled import compile
from tinygrad_rnn.compiler.pipeline import PASSES
from tinygrad_rnn.compiler.program import Program
from tinygrad_rnn.compiler.tape_program import compile_tape

__all__ = ["PASSES", "Program", "compile", "compile_tape"]
