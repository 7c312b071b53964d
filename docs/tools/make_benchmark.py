"""Write the table of `benchmark.md` from files of the command: `python docs/tools/make_benchmark.py FILE.json ...`.

tinygrad-rnn bench --dtype float32,float64 --seconds 300 --json one.json
tinygrad-rnn bench --dtype float32,float64 --seconds 300 --threads 2 --json two.json
python docs/tools/make_benchmark.py one.json two.json
"""

import json
import re
import sys
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np

from tinygrad_rnn import files
from tinygrad_rnn.bench import machine
from tinygrad_rnn.bench.peers import OURS

PAGE = Path(__file__).parents[1] / "benchmark.md"
PLACE = re.compile(r"(<!-- begin: .*? -->\n).*?(<!-- end -->)", re.S)


def tables(found: dict[str, Any]) -> str:
    """Return a line about the machine of one run, and a table for each dtype."""
    threads, names = found["settings"]["threads"], [name for name in found["settings"]["peers"] if name != OURS]
    told = machine.described(found["machine"], threads).replace("\n", ". ")
    told = re.sub(r", load [\d.]+, [^ ]+\.", ".", told).split(" The load was")[0].rstrip(".")  # of the day alone
    text = told + ".\n\n"
    for dtype, rows in groupby(found["rows"], key=lambda row: row["dtype"]):
        text += f"| {dtype} | {OURS}, ms | {' | '.join(names)} |\n|---|{'---:|' * (1 + len(names))}\n"
        of_dtype = list(rows)
        for row in of_dtype:
            cells = [f"{row['ours_over_it'][name]:.2f}" if name in row["ours_over_it"] else "-" for name in names]
            ours = f"{row['milliseconds'][OURS]:.3f}" if OURS in row["milliseconds"] else "-"
            text += f"| {row['cell']} {row['size']} | {ours} | {' | '.join(cells)} |\n"
        columns = [[row["ours_over_it"][name] for row in of_dtype if name in row["ours_over_it"]] for name in names]
        cells = [f"{np.median(column):.2f}" if column else "-" for column in columns]
        text += f"| median | | {' | '.join(cells)} |\n\n"
    return text


def filled(page: str, runs: list[dict[str, Any]]) -> str:
    """Return the page with these runs between its two marks."""
    text = "".join(tables(run) for run in runs)
    return PLACE.sub(lambda found: found[1] + text + found[2], page)


if __name__ == "__main__":
    if not sys.argv[1:]:
        sys.exit(__doc__)
    runs = [json.loads(files.read_text(path)) for path in sys.argv[1:]]
    files.write(PAGE, filled(files.read_text(PAGE), runs))
