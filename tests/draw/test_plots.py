"""The figure of gradient norms: its bytes, what it shows, and what it does without matplotlib."""

import builtins
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest

from tinygrad_rnn import draw

ROOT = Path(__file__).parents[2]
matplotlib = pytest.importorskip("matplotlib", reason="the figure needs the extra `plot`")


def data(T=12, cells=("rnn", "lstm"), rows=None):
    """Norms that fall by 10 a step in the first cell, by 10**0.5 in the second, ..."""
    k = np.arange(T)
    losses = k if rows is None else np.asarray(rows)
    norms = {name: -(T - 1 - k) / (n + 1) for n, name in enumerate(cells)}
    gap = losses[:, None] - k[None, :]
    deltas = {name: np.where(gap >= 0, -gap / (n + 1), -np.inf) for n, name in enumerate(cells)}
    return {"norms": norms, "terms": {name: a + 1 for name, a in norms.items()}, "deltas": deltas, "losses": losses}


def figure_of(monkeypatch, path, **arrays):
    """The matplotlib figure that was saved."""
    from matplotlib.figure import Figure

    kept = []
    save = Figure.savefig
    monkeypatch.setattr(
        Figure, "savefig", lambda self, *args, **kwargs: kept.append(self) or save(self, *args, **kwargs)
    )
    draw.plot_flow(path, **arrays)
    return kept[0]


@pytest.mark.slow
def test_the_same_numbers_give_the_same_bytes(tmp_path):
    one, two = (draw.plot_flow(tmp_path / name, **data()) for name in ("one.svg", "two.svg"))
    assert one.read_bytes() == two.read_bytes()
    assert b"<dc:date>" not in one.read_bytes()
    assert ET.parse(one).getroot().tag.endswith("svg")
    code = f"import sys; sys.path[:0] = {[str(ROOT), str(ROOT / 'tests' / 'draw')]}; import test_plots as t"
    code += f"; t.draw.plot_flow({str(tmp_path / 'three.svg')!r}, **t.data())"
    subprocess.run([sys.executable, "-c", code], check=True)  # another process, another hash seed
    assert (tmp_path / "three.svg").read_bytes() == one.read_bytes()


def test_lines_and_maps_show_the_numbers(tmp_path, monkeypatch):
    arrays = data(cells=("rnn", "lstm", "gru"))
    axes = figure_of(monkeypatch, tmp_path / "flow.svg", **arrays).axes
    left, right, *maps = axes
    for ax, curves, reverse in ((left, arrays["norms"], True), (right, arrays["terms"], False)):
        assert [line.get_label() for line in ax.lines] == ["rnn", "lstm", "gru"]
        for line, curve in zip(ax.lines, curves.values(), strict=True):
            np.testing.assert_array_equal(line.get_ydata(), curve[::-1] if reverse else curve)
        for look in ("get_color", "get_linestyle", "get_marker"):
            assert len({getattr(line, look)() for line in ax.lines}) == 3
    for ax, (name, m) in zip(maps, arrays["deltas"].items(), strict=False):
        assert name in ax.get_title()
        shown = ax.images[-1].get_array()
        np.testing.assert_array_equal(shown.filled(-np.inf), m)
        assert tuple(ax.images[-1].get_extent()) == (-0.5, 11.5, 11.5, -0.5)
        assert len(ax.images) == 1  # nothing underflowed


@pytest.mark.slow
@pytest.mark.parametrize("count", [2, 7, 8, 10, 20])
def test_any_two_curves_are_told_apart_without_their_colours(tmp_path, monkeypatch, count):
    figure = figure_of(monkeypatch, tmp_path / "flow.svg", **data(cells=tuple(f"cell {n}" for n in range(count))))
    for axes in figure.axes[:2]:
        looks = [
            (line._dash_pattern, line.get_marker(), line.get_markerfacecolor() == line.get_color(), line.get_color())
            for line in axes.lines
        ]
        for n, one in enumerate(looks):
            for other in looks[:n]:
                same = [a == b for a, b in zip(one, other, strict=True)]
                assert not all(same[:3]), "dashes or markers differ"
                assert sum(same[:2]) + same[3] < 2 or not same[2], "and so does something else"


@pytest.mark.slow
@pytest.mark.parametrize("count", [7, 10])
def test_a_long_legend_covers_no_curve(tmp_path, monkeypatch, count):
    figure = figure_of(monkeypatch, tmp_path / "flow.svg", **data(cells=tuple(f"cell {n}" for n in range(count))))
    figure.canvas.draw()
    legends = [*figure.legends, *filter(None, (axes.get_legend() for axes in figure.axes))]
    (legend,) = legends
    assert [text.get_text() for text in legend.get_texts()] == [f"cell {n}" for n in range(count)]
    inside = any(legend.get_window_extent().overlaps(axes.bbox) for axes in figure.axes)
    assert inside == (count == 7)


def test_colours_of_a_map_grow_lighter_evenly():
    """Read in greyscale, a larger number is lighter; and the lines' colours are not all of one lightness."""
    colours = matplotlib.colormaps["cividis"](np.linspace(0, 1, 50))[:, :3]
    assert (np.diff(colours @ [0.2126, 0.7152, 0.0722]) > 0).all()


def test_what_underflowed_is_grey_and_what_is_not_finite_stands_out(tmp_path, monkeypatch):
    arrays = data(cells=("rnn",))
    arrays["deltas"]["rnn"][9, 0] = -np.inf
    arrays["deltas"]["rnn"][10, 1] = np.nan
    arrays["norms"]["rnn"] = np.where(np.arange(12) < 3, -np.inf, arrays["norms"]["rnn"])
    figure = figure_of(monkeypatch, tmp_path / "flow.svg", **arrays)
    zero, broken, _ = figure.axes[2].images
    assert np.argwhere(zero.get_array()[..., 3]).tolist() == [[9, 0]]
    assert np.argwhere(broken.get_array()[..., 3]).tolist() == [[10, 1]]
    assert np.isnan(figure.axes[0].lines[0].get_ydata()).sum() == 3


@pytest.mark.slow
@pytest.mark.parametrize("T", [1, 2, 300])
@pytest.mark.parametrize("cells", [("a",), tuple("abcdefghi")])
def test_any_number_of_steps_and_cells(tmp_path, T, cells):
    rows = [0, 150, 299] if T == 300 else None
    assert draw.plot_flow(tmp_path / "flow.png", **data(T, cells, rows)).read_bytes().startswith(b"\x89PNG")


@pytest.mark.slow
def test_only_lines_and_nothing_finite(tmp_path):
    arrays = data(rows=[])
    assert draw.plot_flow(tmp_path / "flow.pdf", **arrays).read_bytes().startswith(b"%PDF")
    nothing = {"a": np.full(3, np.nan)}
    draw.plot_flow(tmp_path / "flow.svg", nothing, nothing, {"a": np.full((1, 3), -np.inf)}, [2])


def test_what_is_refused_leaves_no_file(tmp_path, monkeypatch):
    with pytest.raises(ValueError, match=r"'flow.jpeg' ends in none of .svg, .png, .pdf"):
        draw.plot_flow(tmp_path / "flow.jpeg", **data())
    with pytest.raises(ValueError, match="plot_flow: arrays of lengths"):
        draw.plot_flow(tmp_path / "flow.svg", **(data() | {"terms": data(5)["terms"]}))
    with pytest.raises(ValueError, match="for 2 losses"):
        draw.plot_flow(tmp_path / "flow.svg", **(data() | {"losses": [0, 1]}))
    with pytest.raises(FileNotFoundError):
        draw.plot_flow(tmp_path / "nowhere" / "flow.svg", **data())
    without_matplotlib(monkeypatch)
    with pytest.raises(RuntimeError, match=r"plot_flow: matplotlib is not installed\ninstall the extra `plot`"):
        draw.plot_flow(tmp_path / "flow.svg", **data())
    assert not list(tmp_path.iterdir())


def without_matplotlib(monkeypatch):
    real = builtins.__import__

    def absent(name, *args, **kwargs):
        if name.split(".")[0] == "matplotlib":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", absent)


@pytest.mark.slow
def test_nothing_else_imports_matplotlib():
    code = "import sys; from tinygrad_rnn import bptt, cli, draw, nn; assert 'matplotlib' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
