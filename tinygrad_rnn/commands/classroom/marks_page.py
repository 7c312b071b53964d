"""Marks as one page for the teacher, which needs nothing from outside and can be printed."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from string import Template

from tinygrad_rnn.commands.classroom.hints import hint
from tinygrad_rnn.commands.classroom.marks import Mark, counts
from tinygrad_rnn.draw.player_page import policy
from tinygrad_rnn.language.current import current
from tinygrad_rnn.language.saying import listed, say, sentence

PAGE = Template("""<!DOCTYPE html>
<html lang="$language">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="$policy">
<meta name="viewport" content="width=device-width">
<title>$title</title>
<style>
:root { color-scheme: light dark; --line: #8888; --right: #1a7f37; --wrong: #b3261e; }
body { font: 16px/1.45 system-ui, sans-serif; max-width: 80rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; width: 100%; margin: 0 0 2rem; }
th, td { text-align: left; vertical-align: top; padding: .3rem .6rem; border-bottom: 1px solid var(--line); }
td { overflow-wrap: anywhere; }
.student { min-width: 9rem; }
.words { min-width: 14rem; }
.number { text-align: right; white-space: nowrap; font-variant-numeric: tabular-nums; overflow-wrap: normal; }
.right { color: var(--right); }
.wrong { color: var(--wrong); }
p { margin: .5rem 0 1.5rem; }
@media (prefers-color-scheme: dark) { :root { --right: #57c974; --wrong: #ff8a80; } }
@media print {
  body { margin: 0; max-width: none; font-size: 10pt; }
  thead { display: table-header-group; }
  tr { break-inside: avoid; }
}
</style>
</head>
<body>
<h1>$title</h1>
<p>$summary</p>
<h2>$how_often</h2>
<table>
<thead><tr><th class="number">$how_many</th><th>$what</th></tr></thead>
<tbody>
$counts
</tbody>
</table>
<h2>$students</h2>
<table>
<thead><tr><th>$student</th><th class="number">$points</th>$heads<th>$told</th><th>$mistake</th></tr></thead>
<tbody>
$rows
</tbody>
</table>
</body>
</html>
""")


def page(marks: list[Mark], level: int, task: str) -> str:
    """Return the page. The same marks give the same bytes."""
    scale = marks[0].scale
    right = sum(mark.right for mark in marks)
    silent = sum(mark.status != "judged" for mark in marks)
    points = [f"d{name} {p:g}" for name, p in scale.items()]
    text = PAGE.substitute(
        policy="$policy",
        language=current(),
        title=_text(say("Marks: {task}", task=task)),
        summary=_text(
            say(
                "{all} submissions: {right} right, {wrong} wrong, {silent} without an answer. Points: {points}.",
                all=len(marks),
                right=right,
                wrong=len(marks) - right - silent,
                silent=silent,
                points=listed(points) if points else sentence("none"),
            )
        ),
        how_often=say("What happened how often"),
        how_many=say("How many"),
        what=say("What"),
        students=say("Students"),
        student=say("Student"),
        points=say("Points"),
        told=say("Told to the student"),
        mistake=say("Mistake"),
        counts="\n".join(
            f'<tr><td class="number">{say("{count} of {all}", count=count, all=len(marks))}</td>'
            f"<td>{_text(words)}</td></tr>"
            for count, words in counts(marks)
        ),
        heads="".join(f'<th class="number">d{_text(name)}</th>' for name in scale),
        rows="\n".join("".join(_row(mark, level)) for mark in marks),
    )
    return text.replace("$policy", policy(text), 1)


def _row(mark: Mark, level: int) -> Iterator[str]:
    kind = "right" if mark.right else "wrong"
    yield f'<tr><td class="student">{_text(mark.student)}</td><td class="number {kind}">{mark.whole}</td>'
    for name in mark.scale:
        right = "right" if mark.gradients.get(name) else "wrong"
        yield f'<td class="number {right}">{mark.points_of(name):g}</td>'
    said = _text(hint(mark, level)).replace("\n", "<br>")
    mistakes = "<br>".join(map(_text, mark.mistakes))
    yield f'<td class="words">{said}</td><td class="words">{mistakes}</td></tr>'


def _text(words: str) -> str:
    """Return words for the page, without halves of surrogate pairs, which UTF-8 cannot encode."""
    return escape(words.encode("utf-8", "replace").decode("utf-8"))
