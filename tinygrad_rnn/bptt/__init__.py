"""The BPTT laboratory: derivations by hand, their comparison with the tape, the terms of a gradient."""

from tinygrad_rnn.bptt import by_hand
from tinygrad_rnn.bptt.compare import compare, compare_gradients
from tinygrad_rnn.bptt.doctor import Diagnosis, doctor
from tinygrad_rnn.bptt.flow import butterfly, flow
from tinygrad_rnn.bptt.jacobians import log10_product, singular_values, spectral_radius, step_jacobians
from tinygrad_rnn.bptt.magnitude import log10_norm
from tinygrad_rnn.bptt.report import Report
from tinygrad_rnn.bptt.terms import contributions, deltas, immediate, paths, shares, total
from tinygrad_rnn.bptt.verdict import Flow

__all__ = [
    "Diagnosis",
    "Flow",
    "Report",
    "butterfly",
    "by_hand",
    "compare",
    "compare_gradients",
    "contributions",
    "deltas",
    "doctor",
    "flow",
    "immediate",
    "log10_norm",
    "log10_product",
    "paths",
    "shares",
    "singular_values",
    "spectral_radius",
    "step_jacobians",
    "total",
]
