"""Marks as a table of text, as CSV and as JSON."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

from tinygrad_rnn.commands.classroom.hints import hint
from tinygrad_rnn.commands.classroom.marks import Mark, counts
from tinygrad_rnn.language.saying import say
from tinygrad_rnn.text_tables import aligned

FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""How a cell begins that a spreadsheet takes for a formula."""


def text(marks: list[Mark], level: int) -> str:
    """Return a line for each student, and one for each mistake."""
    rows = [(mark.student, mark.whole, say("; ").join(hint(mark, level).splitlines())) for mark in marks]
    mistakes = [
        say("{count:4} of {all}: {words}", count=count, all=len(marks), words=words) for count, words in counts(marks)
    ]
    return "\n".join([*aligned(rows, right=[1]), "", *mistakes])


def as_csv(marks: list[Mark], level: int) -> str:
    """Return a row for each student: points, each gradient's points, what the student is told."""
    out, scale = io.StringIO(), marks[0].scale
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["student", "status", "points", "of", *(f"d{name}" for name in scale), "hint"])
    for mark in marks:
        points = [mark.points, sum(scale.values()), *map(mark.points_of, scale)]
        told = say("; ").join(hint(mark, level).splitlines())
        writer.writerow([_plain(cell) for cell in (mark.student, mark.status, *points, told)])
    return out.getvalue()


def as_json(marks: list[Mark], level: int, task: str) -> str:
    """Return everything that was found, as JSON."""
    scale = marks[0].scale
    whole: dict[str, Any] = {
        "kind": "marks",
        "task": task,
        "points": dict(scale),
        "of": sum(scale.values()),
        "hints": level,
        "counts": [{"count": count, "of": len(marks), "what": words} for count, words in counts(marks)],
        "submissions": [
            {
                "student": mark.student,
                "status": mark.status,
                "right": mark.right,
                "points": mark.points,
                "gradients": mark.gradients,
                "absent": mark.absent,
                "mistakes": mark.mistakes,
                "hint": hint(mark, level),
                "words": mark.words,
                "found": dict(mark.found),
            }
            for mark in marks
        ],
    }
    return json.dumps(whole, indent=1) + "\n"


def _plain(cell: object) -> str:
    if isinstance(cell, int | float):
        return f"{cell:g}"
    said = str(cell)
    return f"'{said}" if said.startswith(FORMULA) else said
