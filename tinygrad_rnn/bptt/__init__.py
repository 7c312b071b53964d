"""The BPTT laboratory: derivations checked, gradients split into their terms, truncations measured."""

from tinygrad_rnn.bptt.atlas.looked_up import AtlasEntry, look_up
from tinygrad_rnn.bptt.comparison import by_hand
from tinygrad_rnn.bptt.comparison.compare import compare, compare_gradients
from tinygrad_rnn.bptt.comparison.report import Report
from tinygrad_rnn.bptt.derivation.derive import Derivation, derive
from tinygrad_rnn.bptt.diagnosis.doctor import doctor
from tinygrad_rnn.bptt.diagnosis.findings import Diagnosis
from tinygrad_rnn.bptt.gradient_flow.flow import butterfly, flow
from tinygrad_rnn.bptt.gradient_flow.jacobians import log10_product, singular_values, spectral_radius, step_jacobians
from tinygrad_rnn.bptt.gradient_flow.magnitude import log10_norm
from tinygrad_rnn.bptt.gradient_flow.saliency import Saliency, saliency
from tinygrad_rnn.bptt.gradient_flow.terms import contributions, deltas, immediate, paths, shares, total
from tinygrad_rnn.bptt.gradient_flow.verdict import Flow
from tinygrad_rnn.bptt.homework import adapters
from tinygrad_rnn.bptt.homework.examine import examine
from tinygrad_rnn.bptt.homework.examined import Examination
from tinygrad_rnn.bptt.online.compare_online import OnlineComparison, compare_online
from tinygrad_rnn.bptt.online.online_gradient import Online, online_gradient
from tinygrad_rnn.bptt.online.ways_online import KFRTRL, RFLO, UORO, EProp, Exact, SnAp
from tinygrad_rnn.bptt.scans.scan_gradient import Scanned, scan_gradient
from tinygrad_rnn.bptt.scans.two_paths import Parted, compare_paths
from tinygrad_rnn.bptt.truncation.bias import Deviation, bias_and_variance
from tinygrad_rnn.bptt.truncation.checkpoint import checkpointed
from tinygrad_rnn.bptt.truncation.rtrl import Cost, Rtrl, rtrl
from tinygrad_rnn.bptt.truncation.truncated_run import truncated_bptt
from tinygrad_rnn.bptt.truncation.truncation import truncated_gradient
from tinygrad_rnn.bptt.truncation.ways import (
    Chunked,
    Full,
    RandomChunks,
    Randomized,
    Scaled,
    Span,
    WilliamsPeng,
    Window,
)

__all__ = [
    "KFRTRL",
    "RFLO",
    "UORO",
    "AtlasEntry",
    "Chunked",
    "Cost",
    "Derivation",
    "Deviation",
    "Diagnosis",
    "EProp",
    "Exact",
    "Examination",
    "Flow",
    "Full",
    "Online",
    "OnlineComparison",
    "Parted",
    "RandomChunks",
    "Randomized",
    "Report",
    "Rtrl",
    "Saliency",
    "Scaled",
    "Scanned",
    "SnAp",
    "Span",
    "WilliamsPeng",
    "Window",
    "adapters",
    "bias_and_variance",
    "butterfly",
    "by_hand",
    "checkpointed",
    "compare",
    "compare_gradients",
    "compare_online",
    "compare_paths",
    "contributions",
    "deltas",
    "derive",
    "doctor",
    "examine",
    "flow",
    "immediate",
    "log10_norm",
    "log10_product",
    "look_up",
    "online_gradient",
    "paths",
    "rtrl",
    "saliency",
    "scan_gradient",
    "shares",
    "singular_values",
    "spectral_radius",
    "step_jacobians",
    "total",
    "truncated_bptt",
    "truncated_gradient",
]
