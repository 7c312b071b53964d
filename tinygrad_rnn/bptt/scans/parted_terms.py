"""What the first wrong step of a way to compute a recurrence says about the mistake.

Step t is made of A_t, b_t and the state before, so up to the first wrong step all states are right. The wrong terms
(t, k) of that step tell the rest: later ones are spoilt by the wrong state, where A and b read x.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tinygrad_rnn.bptt.comparison.case import Array
from tinygrad_rnn.language.saying import Words, sentence


def what_is_wrong(
    steps: NDArray[np.intp], terms: Array, others: Array, wrong: NDArray[np.bool_], agree: bool = False
) -> list[Words]:
    """Return what is wrong with the second path, in words; empty where no term is.

    steps (n,): the steps t. terms, others, wrong (n, T): the size of each term d(output t)/d(x k) of the first path and
    of the second, and whether they differ. agree: whether the outputs agree.
    """
    found: list[Words] = []
    later = steps[:, None] < np.arange(wrong.shape[1])
    if (wrong & later).any():
        found.append(sentence("the second path lets a step read the input of a later step: it is not causal"))
    wrong = wrong & ~later
    if not wrong.any():
        return found
    row = int(np.argmax(wrong.any(axis=1)))
    t = int(steps[row])
    past, other_past = terms[row, :t], others[row, :t]
    if agree and not other_past.any():
        found.append(
            sentence("the outputs agree, so the second path takes the state before step {r} off the tape", r=t)
        )
    elif agree:
        found.append(sentence("the outputs agree: a part of step {t} is taken off the tape, or counted twice", t=t))
    elif t == 0:
        found.append(sentence("the first step differs: look at b, what a step adds, and at the initial state"))
    elif not past.any() and other_past.all():
        found.append(
            sentence("the second path carries the state past step {r}, at which the first one begins anew", r=t)
        )
    elif not other_past.any() and past.all():
        found.append(
            sentence("the first path carries the state past step {r}, at which the second one begins anew", r=t)
        )
    elif t == 1:
        found.append(
            sentence(
                "the first step is right, so b is: look at A, what a step keeps of the state before, and at the "
                "associative operator, (A2, b2) after (A1, b1) = (A2 A1, A2 b1 + b2)"
            )
        )
    else:
        found.append(
            sentence(
                "the steps before {t} are right, so A and b are, if they are computed alike at each step: look at the "
                "associative operator, (A2, b2) after (A1, b1) = (A2 A1, A2 b1 + b2)",
                t=t,
            )
        )
    return found
