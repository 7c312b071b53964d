"""The BPTT laboratory: derivations by hand and their comparison with the tape; truncation, checkpointing, RTRL."""

from tinygrad_rnn.bptt import by_hand
from tinygrad_rnn.bptt.bias import Deviation, bias_and_variance
from tinygrad_rnn.bptt.checkpoint import checkpointed
from tinygrad_rnn.bptt.compare import compare, compare_gradients
from tinygrad_rnn.bptt.report import Report
from tinygrad_rnn.bptt.rtrl import Cost, Rtrl, rtrl
from tinygrad_rnn.bptt.spans import truncated_bptt
from tinygrad_rnn.bptt.truncation import truncated_gradient
from tinygrad_rnn.bptt.ways import Chunked, Full, RandomChunks, Randomized, Scaled, Span, WilliamsPeng, Window

__all__ = [
    "Chunked",
    "Cost",
    "Deviation",
    "Full",
    "RandomChunks",
    "Randomized",
    "Report",
    "Rtrl",
    "Scaled",
    "Span",
    "WilliamsPeng",
    "Window",
    "bias_and_variance",
    "by_hand",
    "checkpointed",
    "compare",
    "compare_gradients",
    "rtrl",
    "truncated_bptt",
    "truncated_gradient",
]
