"""The BPTT laboratory: is a derivation right, what a gradient is made of, what truncation costs."""

from tinygrad_rnn.bptt import by_hand
from tinygrad_rnn.bptt.bias import Deviation, bias_and_variance
from tinygrad_rnn.bptt.checkpoint import checkpointed
from tinygrad_rnn.bptt.compare import compare, compare_gradients
from tinygrad_rnn.bptt.derivation.derive import Derivation, derive
from tinygrad_rnn.bptt.doctor import Diagnosis, doctor
from tinygrad_rnn.bptt.flow import butterfly, flow
from tinygrad_rnn.bptt.jacobians import log10_product, singular_values, spectral_radius, step_jacobians
from tinygrad_rnn.bptt.magnitude import log10_norm
from tinygrad_rnn.bptt.report import Report
from tinygrad_rnn.bptt.rtrl import Cost, Rtrl, rtrl
from tinygrad_rnn.bptt.spans import truncated_bptt
from tinygrad_rnn.bptt.terms import contributions, deltas, immediate, paths, shares, total
from tinygrad_rnn.bptt.truncation import truncated_gradient
from tinygrad_rnn.bptt.verdict import Flow
from tinygrad_rnn.bptt.ways import Chunked, Full, RandomChunks, Randomized, Scaled, Span, WilliamsPeng, Window

__all__ = [
    "Chunked",
    "Cost",
    "Derivation",
    "Deviation",
    "Diagnosis",
    "Flow",
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
    "butterfly",
    "by_hand",
    "checkpointed",
    "compare",
    "compare_gradients",
    "contributions",
    "deltas",
    "derive",
    "doctor",
    "flow",
    "immediate",
    "log10_norm",
    "log10_product",
    "paths",
    "rtrl",
    "shares",
    "singular_values",
    "spectral_radius",
    "step_jacobians",
    "total",
    "truncated_bptt",
    "truncated_gradient",
]
