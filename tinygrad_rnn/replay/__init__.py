"""Compiled replay: a tape rolled up by time, differentiated, improved by passes and run over memory of its own."""

from tinygrad_rnn.replay.compiled import compile, compile_tape
from tinygrad_rnn.replay.pipeline import PASSES
from tinygrad_rnn.replay.program import Program

__all__ = ["PASSES", "Program", "compile", "compile_tape"]
