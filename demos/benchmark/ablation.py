"""What each pass of the compiler is worth: a step without it, and with the passes one after another.

    OMP_NUM_THREADS=1 python demos/benchmark/ablation.py [--dtype float64] [--seconds 40] [--page docs/compiled.md]

Each number is the time of a training step over that of NumPy by hand (tinygrad_rnn/bench/expert.py): in turns, the
median of the ratios within a round, and of these the median over some programs of each kind. `--page` writes the
tables between the page's marks; run it on a quiet machine.
"""

import argparse
import os
import re

import numpy as np

from tinygrad_rnn import files
from tinygrad_rnn.bench import expert
from tinygrad_rnn.bench.competitor import what_is_wrong
from tinygrad_rnn.bench.measure import measured
from tinygrad_rnn.bench.problem import CELLS, SIZES, problem
from tinygrad_rnn.compiler import PASSES, compile

HAND = "by hand"
COPIES = 5
PLACE = re.compile(r"(<!-- begin: demos/benchmark/ablation.py --page .*? -->\n).*?(<!-- end -->)", re.S)
WITHOUT = {"all passes": PASSES} | {f"without {name}": tuple(p for p in PASSES if p != name) for name in PASSES}
ADDED = {"the tape's calls": ()} | {f"+ {name}": PASSES[: k + 1] for k, name in enumerate(PASSES)}
CHOICES = list(dict.fromkeys([*WITHOUT.values(), *ADDED.values()]))


def ratios(given, seconds, copies):
    """Return the time of a step over that by hand, for each choice of passes: the median over some programs of each.

    Where memory happens to lie is worth some percent of a step, and a program keeps its memory.
    """
    right, found = given.answer(), {}
    for _ in range(copies):
        by_hand = expert.CELLS[given.cell](given.sizes, given.dtype)
        steps = {HAND: lambda by_hand=by_hand: by_hand(given.leaves, given.targets)}
        for chosen in CHOICES:
            step = compile(given.loss, passes=chosen)
            wrong = what_is_wrong(step(given.leaves), right, given.dtype)
            assert not wrong, f"{given.cell} with {chosen}: {wrong}"
            steps[chosen] = lambda step=step: step(given.leaves)
        times = measured(steps, seconds / copies)
        for chosen in CHOICES:
            found.setdefault(chosen, []).append(times.ratio(chosen, HAND))
    return {chosen: float(np.median(each)) for chosen, each in found.items()}


def tables(found):
    """Both tables, in the form of a page; `found`: ratios by (cell, size)."""
    head = "".join(f" {cell} {size} |" for cell, size in found)
    text = ""
    for title, rows in (("one left out", WITHOUT), ("one after another", ADDED)):
        text += f"| {title} |{head}\n|---|{'---:|' * len(found)}\n"
        for words, chosen in rows.items():
            text += f"| {words} |{''.join(f' {of[chosen]:.2f} |' for of in found.values())}\n"
        text += "\n"
    return text


def main():
    """Print the tables; write them where a page is given."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--quick", action="store_true", help="one small network and few rounds: only to see that it runs"
    )
    parser.add_argument("--dtype", choices=("float32", "float64"), default="float32")
    parser.add_argument("--seconds", type=float, default=40, help="for each cell and size")
    parser.add_argument("--page", help="write the tables between the marks of this page")
    given = parser.parse_args()
    if os.environ.get("OMP_NUM_THREADS") != "1":
        print("more than one thread may run: set OMP_NUM_THREADS=1 before Python starts")
    seconds, copies = (0.01, 1) if given.quick else (given.seconds, COPIES)
    sizes = {"3:2:4:5": (3, 2, 4, 5)} if given.quick else {name: SIZES[name] for name in ("tiny", "small", "medium")}
    found = {}
    for size, numbers in sizes.items():
        for cell in CELLS:
            found[cell, size] = ratios(problem(cell, numbers, given.dtype), seconds, copies)
    text = tables(found)
    print(f"ours / it, {given.dtype}; it: {HAND}\n\n{text}", end="")
    if given.page:
        page = files.read_text(given.page)
        assert len(PLACE.findall(page)) == 1, f"{given.page} has no place for the tables"
        files.write(given.page, PLACE.sub(lambda marks: marks[1] + text + marks[2], page))


if __name__ == "__main__":
    main()
