"""The BPTT laboratory: derivations by hand, and the comparison of a derivation with the tape."""

from tinygrad_rnn.bptt import by_hand
from tinygrad_rnn.bptt.compare import compare, compare_gradients
from tinygrad_rnn.bptt.doctor import Diagnosis, doctor
from tinygrad_rnn.bptt.report import Report

__all__ = ["Diagnosis", "Report", "by_hand", "compare", "compare_gradients", "doctor"]
