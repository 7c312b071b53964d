"""The page on which a scan is played: one chain after another, round by round, and at last the gradient."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tinygrad_rnn.bptt.comparison.case import Array
from tinygrad_rnn.bptt.scans.scan_cost import cost_of
from tinygrad_rnn.bptt.scans.scan_frames import Data, ScanFrames, titles
from tinygrad_rnn.bptt.scans.state_chains import Chain
from tinygrad_rnn.core.trees import Tree, named_leaves
from tinygrad_rnn.draw import scan_tree
from tinygrad_rnn.draw.played import Played
from tinygrad_rnn.draw.player_page import page
from tinygrad_rnn.draw.shown_arrays import ShownArrays, shown
from tinygrad_rnn.draw.views.step_numbers import numbered_from
from tinygrad_rnn.language.saying import counts, say, template
from tinygrad_rnn.tape.array_text import norm

WHOLE = 64
"""The maximum number of entries of an array whose numbers are shown."""
ROUNDING = 0.75
"""The power of a last place by which rounding may part two gradients: 2e-12 in float64, 6e-6 in float32."""


def scan_page(
    chains: Sequence[Chain],
    added: Sequence[Array],
    steps: Sequence[Any],
    gradients: tuple[Tree, Tree],
    title: str | None,
    first_step: int | None,
) -> Played:
    """Return the page of the chains, of which the last one is solved first.

    added: as of `Scanned`. gradients: by the scan and by the walk. Raises ValueError for another first step.
    """
    numbers = numbered_from(first_step, steps)
    arrays = ShownArrays(WHOLE, corner=False)
    solved = [*zip(chains, added, strict=True)][::-1]
    names = {"scan": say("The scan"), "lean": say("The work-efficient scan")}
    levels: dict[str, list[Data]] = {}
    boxes: dict[str, Data] = {}
    pictures: dict[str, str] = {}
    last = _last_frame(gradients, arrays)
    for level, name in names.items():
        frames, drawn = list[Data](), list[str]()
        for n, (chain, b) in enumerate(solved):
            which = say("chain {n} of {count}", n=n + 1, count=len(solved)) if len(solved) > 1 else ""
            labels = [numbers.number(t) for t in chain.times]
            scan = ScanFrames(chain, b, labels, level == "lean", which, f"{level}{n}", arrays)
            frames += [frame | {"picture": n} for frame in scan.frames()]
            boxes |= scan.boxes()
            drawn.append(scan.svg(name))
        if not solved:
            label = numbers.number(steps[0])
            boxes |= {f"{level}{box}": {"name": f"g_{{{label}}}", "rules": [], "arrays": []} for box in ("w0", "n0_0")}
            drawn.append(scan_tree.svg([label], [], titles(1, name, 0), [""], scan_tree.small(1, 0), level))
            frames.append(_one_step(level))
        before = {key: frames[-1][key] for key in ("picture", "prefix", "level", "at")}
        bars = [bar | {"done": bar["all"]} for bar in frames[-1]["bars"]]
        levels[level] = [*frames, before | {"walk": len(steps), "bars": bars} | last]
        pictures[level] = "\n".join(drawn)
    summary = _summary(chains, len(steps))
    data = {"levels": levels, "boxes": boxes, "arrays": arrays.data()}
    return Played(page("scan", title or say("BPTT as an associative scan"), summary, "scan", pictures, data), summary)


def _summary(chains: Sequence[Chain], T: int) -> str:
    walk, scan, lean = (way.depth for way in cost_of(chains).ways)
    return say(
        "{steps}; rounds of the walk {walk}, of the scan {scan}, of the work-efficient scan {lean}",
        steps=counts(T, template("{n:,} step"), template("{n:,} steps")),
        walk=walk,
        scan=scan,
        lean=lean,
    )


def _one_step(prefix: str) -> Data:
    """Return the frame of a tape with one step, which has no chain."""
    words = [say("One step hands on nothing, so there is nothing to combine: the walk within the step is all.")]
    about = {"head": say("One step"), "place": say("one step"), "words": words, "products": [], "bars": []}
    return about | {"picture": 0, "prefix": prefix, "level": 0, "walk": 0, "at": "n0_0"}


def _last_frame(gradients: tuple[Tree, Tree], arrays: ShownArrays) -> Data:
    """Return the frame of the gradients: of each its name, its norms, how far the two are apart, and its numbers."""
    rows, shares, close = [], [0.0], True
    for (name, scan), (_, walk) in zip(*map(named_leaves, gradients), strict=True):
        with np.errstate(all="ignore"):
            apart = float(np.max(np.abs(scan - walk), initial=0)) / (float(np.max(np.abs(walk), initial=0)) or 1.0)
        shares.append(apart)
        close &= apart <= float(np.finfo(walk.dtype).eps) ** ROUNDING
        rows.append(
            {
                "name": name or say("the gradient"),
                "norms": [shown(norm(scan)), shown(norm(walk))],
                "apart": f"{apart:.1g}",
                "arrays": [arrays.number(scan), arrays.number(walk)],
            }
        )
    words = [
        say("From the cotangent of each state the walk goes on within its step, and the terms of all steps add up."),
        _agreement(float(np.max(shares)), close),
    ]
    about = {"head": say("The gradient"), "place": say("the gradient"), "words": words, "products": []}
    return about | {"gradients": rows}


def _agreement(most: float, close: bool) -> str:
    """Say how far two gradients are apart, as a part of the largest entry; close: no further than by rounding."""
    if not np.isfinite(most):
        return say("Some entries are not finite, so the gradient cannot be compared with that of the walk.")
    if most == 0:
        return say("It is the gradient of the walk, to the last digit.")
    if close:
        return say(
            "It is the gradient of the walk: apart by at most {apart} of the largest entry, which is rounding.",
            apart=f"{most:.1g}",
        )
    return say(
        "The gradients of scan and walk are apart by {apart} of the largest entry: products of Jacobians lost digits.",
        apart=f"{most:.1g}",
    )
