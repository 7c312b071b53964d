"""What Graphviz is asked for, and what is drawn where it refuses: names, long drawings, a `dot` without its plugin."""

import os
import re
import sys
import xml.etree.ElementTree as ET

import numpy as np
import pytest
from drawings import SVG, dot_works, needs_dot, recorded

import tinygrad_rnn as tg
from tinygrad_rnn import draw
from tinygrad_rnn.draw import rendering

XLINK = "{http://www.w3.org/1999/xlink}title"
NAMES = [r"\Gamma", r"\Nu", r"\Eta", r"\Lambda", r"\Theta", r"\n", r"\l", r"\r", r"a\\b", "end\\", r"\\", "<b>\\N"]


def named_tape(name, steps=2):
    h = tg.Tensor(np.ones(2), name="h0")
    with tg.Tape() as tape:
        for t in range(steps):
            with tg.scope(t=t, layer=name):
                h = tg.named(name, h * 2)
        tg.named("L", h.sum())
    return tape


@needs_dot
@pytest.mark.needs_dot
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("depth", ["ops", "gates", "cells"])
def test_graphviz_shows_the_backslashes_of_a_name(name, depth, tmp_path):
    root = ET.parse(draw.render(named_tape(name), tmp_path / "a.svg", engine="dot", level=depth).path).getroot()
    shown = ["".join(e.itertext()) for e in root.iter(f"{SVG}text")]
    assert any(text.startswith(f"{name}0") for text in shown), shown
    tips = [e.get(XLINK) for e in root.iter(f"{SVG}a")]
    assert any(tip.startswith(f"{name}_0") for tip in tips), tips


@needs_dot
@pytest.mark.needs_dot
def test_graphviz_shows_the_backslashes_of_steps_layers_and_numbers(tmp_path):
    x = tg.Tensor(1.0, name="x")
    with tg.Tape() as tape:
        for layer in (r"\Nu", r"\Eta"):
            with tg.scope(t=r"\Lambda", layer=layer):
                x = tg.named(r"\G", x * 2.0)
    drawn = draw.render(tape, tmp_path / "a.svg", engine="dot", show="value").path
    shown = ["".join(e.itertext()) for e in ET.parse(drawn).getroot().iter(f"{SVG}text")]
    assert {r"t = \Lambda", r"layer \Nu", r"layer \Eta", r"\G | 2"} <= set(shown)


@pytest.mark.slow
@needs_dot
@pytest.mark.needs_dot
@pytest.mark.parametrize("ends", [96, 97, 195])
def test_graphviz_draws_hundreds_of_steps(ends, tmp_path):
    tape = named_tape("h", 400)
    root = ET.parse(draw.render(tape, tmp_path / "a.svg", ends, engine="dot", level="cells").path).getroot()
    grounds = [p for p in root.iter(f"{SVG}polygon") if p.get("fill") == "#f7f9fc"]
    assert len(grounds) == 2 * ends + 1
    assert len({p.get("points") for p in grounds}) == len(grounds)
    for ending, start in ((".png", b"\x89PNG"), (".pdf", b"%PDF")):
        drawn = draw.render(tape, tmp_path / f"a{ending}", ends, level="cells")
        assert drawn.path.read_bytes().startswith(start)


def test_no_string_of_the_dot_text_is_longer_on_a_line_than_graphviz_reads():
    for name, steps in (("\\" * 10_000, 3), ("\\" * 100, 97), ("\\", 400)):
        text = str(draw.graph(named_tape(name, steps), steps, level="cells"))
        pieces = [part for string in re.findall(r'"(?:[^"\\]|\\.|\\\n)*"', text, re.S) for part in string.split("\n")]
        assert max(map(len, pieces)) < 16_384


@pytest.fixture
def stand_in(tmp_path, monkeypatch):
    """A program `dot` that does what a script says, the first on the path."""

    def make(script):
        program = tmp_path / "bin" / "dot"
        program.parent.mkdir(exist_ok=True)
        program.write_text(f"#!/bin/sh\n{script}\n", encoding="utf-8")
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
        monkeypatch.setattr(rendering, "_said", set())

    return make


NO_NEATO = 'echo "There is no layout engine support for \\"neato\\"" >&2; echo "Use one of: dot" >&2; exit 1'
NO_NOP2 = 'echo "Error: Layout type: \\"nop2\\" not recognized. Use one of: dot" >&2; exit 1'


@pytest.mark.skipif(sys.platform == "win32", reason="the stand-in for dot is a shell script")
@pytest.mark.parametrize(
    ("does", "why"),
    [
        (NO_NEATO, "has no layout neato"),
        (NO_NOP2, "has no layout neato"),
        (f'case "$*" in *neato*) {NO_NEATO};; *) echo "<svg></svg>";; esac', "has no layout neato"),
        ("echo broken >&2; exit 3", "failed: broken"),
        ("echo nonsense", "failed: exit status 0, no svg"),
    ],
    ids=["no neato", "no nop2", "asked by an option", "broken", "no svg"],
)
def test_where_dot_fails_the_grid_draws_and_says_why_once(does, why, stand_in, tmp_path, caplog):
    stand_in(does)
    assert not dot_works(), "tests that need the layout are skipped"
    tape, _, _ = recorded("rnn")
    for _ in range(2):
        assert draw.render(tape, tmp_path / "a.svg").engine == "grid"
        assert draw.show(tape).engine == "grid"
    ET.parse(tmp_path / "a.svg")
    (record,) = caplog.records
    assert record.getMessage().startswith(f"drawn by the project's own grid, since `dot` {why}")
    with pytest.raises(RuntimeError, match=f'render: `dot` {why}.*\n.*, or use engine="grid"$') as caught:
        draw.render(tape, tmp_path / "b.svg", engine="dot")
    assert len(str(caught.value).splitlines()) == 2


@pytest.mark.skipif(sys.platform == "win32", reason="the stand-in for dot is a shell script")
@pytest.mark.parametrize("ending", [".png", ".pdf"])
def test_where_dot_fails_a_png_is_refused_with_advice_that_helps(ending, stand_in, tmp_path):
    stand_in(f"yes word | head -c 100000 >&2; {NO_NEATO}")
    tape, _, _ = recorded("rnn")
    for engine in ("auto", "dot"):
        with pytest.raises(RuntimeError, match=r"\n.*or draw an \.svg, which needs no Graphviz$") as caught:
            draw.render(tape, tmp_path / f"b{ending}", engine=engine)
        assert len(str(caught.value)) < 500
        assert len(str(caught.value).splitlines()) == 2
    assert not (tmp_path / f"b{ending}").exists()


@pytest.mark.skipif(sys.platform == "win32", reason="the stand-in for dot is a shell script")
def test_where_dot_leaves_a_box_out_the_grid_draws(stand_in, tmp_path):
    stand_in('cat > /dev/null; echo \'<svg xmlns="http://www.w3.org/2000/svg"><g id="graph0"/></svg>\'')
    tape = named_tape("h")
    assert draw.render(tape, tmp_path / "a.svg").engine == "grid"
    with pytest.raises(RuntimeError, match="`dot` left out v0"):
        draw.render(tape, tmp_path / "b.svg", engine="dot")


@pytest.mark.skipif(sys.platform == "win32", reason="the stand-in for dot is a shell script")
def test_a_dot_that_hangs_is_stopped_and_the_grid_draws(stand_in, tmp_path, monkeypatch):
    stand_in("exec sleep 60")
    monkeypatch.setattr(rendering, "PATIENCE", 0.2)
    assert draw.render(named_tape("h"), tmp_path / "a.svg").engine == "grid"
