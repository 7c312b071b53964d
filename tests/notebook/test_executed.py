"""Notebooks, executed: those of demos/, and one that shows everything. No raw `repr`, no warning, no broken output."""

import base64
import html
import re
import textwrap
from pathlib import Path

import pytest
from executed_notebooks import MARKS, executed

pytestmark = [pytest.mark.slow, *MARKS]

DEMOS = sorted((Path(__file__).parents[2] / "demos").glob("*.ipynb"))
RICH = {"text/html", "image/svg+xml", "text/latex", "text/markdown"}
MOST_LINES, MOST_CHARACTERS = 12, 900
"""The longest text that stands in the place of a rich form where none is shown."""

EVERYTHING = [
    """
    import numpy as np
    import tinygrad_rnn as tg
    from tinygrad_rnn import bptt, draw, nn

    rng = np.random.default_rng(0)
    params = nn.init.lstm(rng, input_size=3, hidden_size=4)
    params
    """,
    """
    xs = rng.standard_normal((4, 2, 3))
    with tg.Tape(lines=True) as tape:
        hs, last = nn.unroll(nn.lstm, params, xs)
        loss = nn.mse(hs, np.zeros((4, 2, 4)))
    tape
    """,
    "display(hs, loss, last, tape[3], tape[1:4])",
    "display(next(iter(tape.rewind(loss))), list(tape.rewind(loss))[20])",
    "display(tape.gradient(loss, params), bptt.contributions(tape, loss, params['weight_hh']), tape.leaves())",
    "display(draw.show(tape, 2, level='gates'), draw.picture(tape, 1), draw.render(tape, 'lstm.svg', 1))",
    "draw.play(tape, loss)",
    """
    def halves(params, xs, state, dhs, dlast=None):
        right = bptt.by_hand.lstm(params, xs, state, dhs, dlast)
        return {**right, "weight_hh": right["weight_hh"] / 2}

    display(bptt.compare(nn.lstm, params, xs, bptt.by_hand.lstm), bptt.compare(nn.lstm, params, xs, halves))
    """,
    "bptt.doctor(nn.lstm, halves)",
    """
    def loss_and_gradient(W, U, xs):
        hs = [np.zeros(4)]
        for x in xs:
            hs.append(np.tanh(W @ x + U @ hs[-1]))
        dW, dU, dh = np.zeros_like(W), np.zeros_like(U), 0
        for t in reversed(range(len(xs))):
            dz = (2 * hs[t + 1] + dh) * (1 - hs[t + 1] ** 2)
            dW, dU, dh = dW + np.outer(dz, xs[t]), dU + np.outer(dz, hs[t]), U.T @ dz
        return sum(h @ h for h in hs), dW, dU

    bptt.examine(loss_and_gradient, rng.normal(size=(4, 3)), rng.normal(size=(4, 4)), rng.normal(size=(5, 3)))
    """,
    "display(bptt.derive(nn.gru), bptt.derive(nn.rnn).worksheet(blanks=2))",
    "bptt.flow(nn.lstm, params, rng.standard_normal((30, 2, 3)))",
    """
    small = nn.init.rnn(rng, 2, 3)
    display(bptt.bias_and_variance(tape, loss, params, bptt.Randomized(0.5), rng=rng, draws=5))
    display(bptt.rtrl(nn.rnn, small, rng.normal(size=(3, 1, 2)), lambda t, h: (h * h).sum()))
    bptt.truncated_bptt(nn.rnn, small, rng.normal(size=(3, 1, 2)), lambda t, h: (h * h).sum(), bptt.Window(2))
    """,
    """
    step = tg.compile(lambda params, xs: nn.mse(nn.unroll(nn.lstm, params, xs)[0], np.zeros((4, 2, 4))))
    adam = nn.optim.Adam(rate=0.01)
    display(step, step(params, xs), step, step.program(params, xs), step.program(params, xs).stats)
    display(adam.init(params), adam.step(params, step(params, xs)[1], adam.init(params)))
    """,
    """
    from pathlib import Path
    from tinygrad_rnn.lm import train

    Path("book.txt").write_text("the time traveller for so it will be convenient to speak of him " * 20)
    settings = train.Settings("book.txt", hidden=8, window=10, batch=4, epochs=3, optimizer="adam", rate=0.02)
    train.train(settings, Path("run"))
    """,
]


def assert_shown(cells):
    """Every output has a rich form and a short text; nothing is written to the streams, and no carriage return."""
    shown = 0
    for number, cell in enumerate(cells):
        if cell.cell_type != "code":
            continue
        for output in cell.outputs:
            assert output.output_type in ("display_data", "execute_result"), f"cell {number}: {output}"
            data, words = output.data, output.data.get("text/plain", "")
            assert RICH & set(data), f"cell {number}: {words}"
            assert len(words.splitlines()) <= MOST_LINES, f"cell {number}: {words}"
            assert len(words) <= MOST_CHARACTERS, f"cell {number}: {words}"
            assert not re.search(r"object at 0x|\r", "".join(map(str, data.values()))), f"cell {number}"
            shown += 1
    return shown


@pytest.fixture(scope="module")
def everything(tmp_path_factory):
    """The cells of the notebook that shows everything, executed once for all tests."""
    import nbformat

    with pytest.MonkeyPatch.context() as monkeypatch:
        cells = [nbformat.v4.new_code_cell(textwrap.dedent(c)) for c in EVERYTHING]
        return executed(cells, tmp_path_factory.mktemp("everything"), monkeypatch)


def as_html(data):
    """The form of an output that a notebook shows: HTML, else a picture, else text."""
    if "text/html" in data:
        return data["text/html"]
    if "image/svg+xml" in data:  # JupyterLab and VS Code show it as an image
        picture = base64.b64encode(data["image/svg+xml"].encode()).decode()
        return f'<img style="max-width:100%" src="data:image/svg+xml;base64,{picture}">'
    words = data.get("text/markdown", data.get("text/latex", data.get("text/plain", "")))
    return f'<pre style="white-space:pre-wrap">{html.escape(words)}</pre>'


WIDER = """() => [...document.querySelectorAll('.output')].flatMap((output, k) => {
    const right = output.getBoundingClientRect().right + 1;
    const scrolls = e => e !== output && (getComputedStyle(e).overflowX !== 'visible' || scrolls(e.parentElement));
    return [...output.querySelectorAll('*')]
        .filter(e => e.getBoundingClientRect().right > right && !scrolls(e.parentElement))
        .map(e => [k, e.tagName, e.getBoundingClientRect().right - right, e.textContent.slice(0, 60)]);
})"""
"""The elements that reach beyond their output, unless an element around them scrolls or hides that."""


@pytest.mark.needs_chromium
@pytest.mark.parametrize("width", [pytest.param(900, id="JupyterLab"), pytest.param(600, id="VS-Code")])
def test_no_output_is_wider_than_its_cell(width, everything, chromium):
    outputs = [output.data for cell in everything for output in cell.outputs]
    shown = "".join(f'<div class="output" style="width:{width}px">{as_html(data)}</div>' for data in outputs)
    page = chromium.new_page(viewport={"width": width + 100, "height": 1000})
    page.set_content(f'<!doctype html><body style="margin:50px;font-family:sans-serif;font-size:14px">{shown}</body>')
    assert page.evaluate(WIDER) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width + 100
    wide = '<div class="output" style="width:9px"><hr style="width:20px"></div>'
    page.evaluate("wide => document.body.insertAdjacentHTML('beforeend', wide)", wide)
    assert len(page.evaluate(WIDER)) == 1  # what is too wide is found
    page.close()


def test_a_notebook_that_shows_everything_has_no_raw_repr_and_no_warning(everything):
    cells = everything
    assert len(cells) == 15
    assert assert_shown(cells) >= 30
    live, result = cells[-1].outputs
    assert "after 3 epochs: perplexity" in live.data["text/html"]
    assert "<img" in live.data["text/html"]
    assert result.data["text/plain"].startswith("<Progress of a training after 3 epochs")


@pytest.mark.parametrize("name", [demo.name for demo in DEMOS])
def test_a_notebook_of_the_demos_runs_and_shows(name, tmp_path, monkeypatch):
    import nbformat

    book = nbformat.read(next(demo for demo in DEMOS if demo.name == name), as_version=4)
    assert assert_shown(executed(book.cells, tmp_path, monkeypatch)) >= 3
