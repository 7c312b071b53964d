"""The compiler: a tape rolled up by time, differentiated, improved by passes and run over memory of its own."""

from tinygrad_rnn.compiler.compiled import compile, compile_tape
from tinygrad_rnn.compiler.pipeline import PASSES
from tinygrad_rnn.compiler.program import Program

__all__ = ["PASSES", "Program", "compile", "compile_tape"]
