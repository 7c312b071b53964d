"""Trees of arrays in IPython, and displays that are brought up to date: told to a stand-in of IPython."""

import sys
from collections import OrderedDict
from types import SimpleNamespace

import numpy as np
import pytest

import tinygrad_rnn as tg
from tinygrad_rnn import bptt, nn
from tinygrad_rnn.lm import train
from tinygrad_rnn.lm.notebook_progress import NotebookProgress
from tinygrad_rnn.notebook import live_display
from tinygrad_rnn.tape import notebook_trees
from tinygrad_rnn.tape.notebook_trees import form, holds_arrays

X = tg.Tensor([1.0, 2.0], name="h")
LOOP = {"a": np.ones(2)}
LOOP["itself"] = LOOP


class Formatter:
    """The part of a formatter of IPython that says what shows a type."""

    def __init__(self, kinds=()):
        self.shows = {kind: f"before {kind.__name__}" for kind in kinds}

    def for_type(self, kind, function):
        before = self.shows.get(kind)
        self.shows[kind] = function
        return before

    def pop(self, kind, default=None):
        return self.shows.pop(kind, default)


@pytest.fixture
def shell(monkeypatch):
    monkeypatch.setattr(notebook_trees, "_before", {})
    formatters = {"text/html": Formatter(), "text/plain": Formatter([dict, tuple, list])}
    return SimpleNamespace(display_formatter=SimpleNamespace(formatters=formatters))


def test_an_extension_is_loaded_twice_and_unloaded_without_a_trace(shell):
    html, plain = shell.display_formatter.formatters.values()
    tg.load_ipython_extension(shell)
    tg.load_ipython_extension(shell)
    assert set(html.shows) == {dict, tuple, list}
    assert "h" in html.shows[dict]({"h": X})
    tg.unload_ipython_extension(shell)
    tg.unload_ipython_extension(shell)
    assert html.shows == {}
    assert plain.shows == {kind: f"before {kind.__name__}" for kind in (dict, tuple, list)}


def test_outside_of_a_notebook_nothing_is_told():
    tg.load_ipython_extension()
    assert not live_display.in_notebook()


def test_text_is_short_for_trees_of_arrays_and_as_before_for_others(shell):
    plain = shell.display_formatter.formatters["text/plain"]
    said = []
    plain.shows[dict] = lambda tree, printer, cycle: said.append("as before")
    tg.load_ipython_extension(shell)
    printer = SimpleNamespace(text=said.append)
    for tree in ({"W": np.ones((2, 3))}, {"W": 1}, OrderedDict(W=X)):
        plain.shows[dict](tree, printer, False)
    assert said == ["<dict of 1: W>", "as before", "as before"]


@pytest.mark.parametrize(
    "tree",
    [{"h": X}, (X, X), [X], {"W": np.ones((2, 2))}, (0.5, {"W": np.ones(2)}), {"a": {"b": [X, 1]}}, {0: X, None: X}],
    ids=["dict", "tuple", "list", "arrays", "value and gradients", "deep", "keys of any kind"],
)
def test_trees_of_arrays_are_tables(tree):
    assert holds_arrays(tree)
    assert "<table" in form(tree)


@pytest.mark.parametrize(
    "tree",
    [{}, (), [], {"a": 1}, (1.0, "x"), [np.ones(2)], (np.ones(2), np.ones(3)), {"a": np.array(["x"])}, LOOP],
    ids=["{}", "()", "[]", "numbers", "mixed", "arrays in a list", "arrays in a tuple", "strings", "a loop"],
)
def test_all_other_trees_are_left_to_ipython(tree):
    assert form(tree) is None


def test_a_tuple_with_a_form_of_its_own_keeps_it():
    params = nn.init.rnn(np.random.default_rng(0), 2, 3)
    run = bptt.rtrl(nn.rnn, params, np.ones((2, 1, 2)), lambda t, h: (h * h).sum())
    assert form(run) == run._repr_html_()


def test_rows_are_called_by_path_and_numbers_are_those_of_the_leaves():
    shown = form({"mean": {"W": np.array([3.0, -4.0, 0.0, 0.0, 0.0])}, "loss": 0.25, "state": (X,), 7: True})
    for part in (">mean.W<", ">(5,)<", "−4 … 3  norm 5", ">0.25<", ">state[0] h<", ">[7]<", ">True<"):
        assert part in shown


def test_a_long_tree_is_cut():
    shown = form([X] * 1000)
    assert "... and 960 more" in shown
    assert len(shown) < 60_000


class Display:
    """Stands in for IPython's `display`, and keeps what each place of the output holds."""

    def __init__(self):
        self.places = []

    def __call__(self, content, raw, display_id):
        assert raw
        assert display_id
        self.places.append([content])
        return SimpleNamespace(update=lambda content, raw: self.places[-1].append(content))


@pytest.fixture
def notebook(monkeypatch):
    """A stand-in for the kernel of a notebook."""
    display = Display()
    inside = SimpleNamespace(get_ipython=lambda: SimpleNamespace(kernel=True))
    monkeypatch.setitem(sys.modules, "IPython", inside)
    monkeypatch.setitem(sys.modules, "IPython.display", SimpleNamespace(display=display))
    return display


def test_a_training_is_one_place_that_is_brought_up_to_date(notebook, tmp_path, capfd, monkeypatch):
    monkeypatch.setattr("tinygrad_rnn.lm.notebook_progress.EVERY", 0)
    book = tmp_path / "book.txt"
    book.write_text("the time traveller for so it will be convenient to speak of him " * 12, encoding="utf-8")
    settings = train.Settings(str(book), hidden=4, window=10, batch=4, epochs=2, optimizer="adam", rate=0.02)
    progress = train.train(settings, tmp_path / "run")
    (place,) = notebook.places
    assert len(place) > 10
    shares = [float(shown["text/html"].partition('progress value="')[2].partition('"')[0]) for shown in place]
    assert shares == sorted(shares)
    assert shares[-1] == 1
    assert place[-1]["text/plain"] == f"after 2 epochs: perplexity {progress.log[-1]['perplexity']:.4g}"
    assert "<img" in place[-1]["text/html"]
    assert not any("\r" in text for shown in place for text in shown.values())
    assert capfd.readouterr() == ("", "")


def test_a_training_elsewhere_shows_nothing(tmp_path, capfd):
    book = tmp_path / "book.txt"
    book.write_text("the time traveller for so it will be convenient to speak of him " * 12, encoding="utf-8")
    settings = train.Settings(str(book), hidden=4, window=10, batch=4, epochs=1)
    train.train(settings, tmp_path / "run")
    assert capfd.readouterr() == ("", "")


def test_updates_are_no_more_often_than_a_page_can_show(notebook, monkeypatch):
    now = [100.0]
    monkeypatch.setattr("time.perf_counter", lambda: now[0])
    settings = train.Settings("book.txt", hidden=3)
    progress, shows = train.start(settings), NotebookProgress()
    for _ in range(10):
        progress.window += 1
        now[0] += 0.2
        shows(settings, progress, 2.0, 100)
    assert len(notebook.places[0]) == 4
