"""The map of a loss: its bands cover what they must, and paths lie where their points are."""

import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest

from tinygrad_rnn.draw import loss_surface

XS, YS = np.linspace(4, 6, 41), np.linspace(-1, 0, 31)
PLANE = (XS[None, :] - 4) / 2 + 0 * YS[:, None]  # 0 at the left edge, 1 at the right


def area(polygon):
    """The shoelace formula."""
    x, y = np.array(polygon).T
    return abs(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))) / 2


@pytest.mark.parametrize("level", [0.1, 0.5, 0.73], ids=str)
def test_a_band_of_a_plane_covers_its_part_of_the_map(level):
    """Linear interpolation is exact on a plane: the part where the value is at least the level is 1 - level."""
    found = loss_surface.region(XS, YS, PLANE, level)
    assert abs(sum(map(area, found)) / 2 - (1 - level)) < 1e-12
    assert all(x >= 4 + 2 * level - 1e-12 for polygon in found for x, _ in polygon)


def test_a_band_of_a_bowl_is_the_square_without_the_disc():
    x = np.linspace(-1, 1, 201)
    found = loss_surface.region(x, x, x[None, :] ** 2 + x[:, None] ** 2, 0.5)
    assert abs(sum(map(area, found)) - (4 - np.pi * 0.5)) < 1e-3
    assert len(found) < 201 * 6  # cells of a row that lie wholly within it are one polygon


def test_rows_of_values_are_rows_of_the_map():
    """values[j, k] is at (xs[k], ys[j]): a plane that rises with y is dark on top, where pixels are counted from."""
    plane = (YS[:, None] + 1) + 0 * XS[None, :]
    assert all(y >= -0.5 - 1e-12 for polygon in loss_surface.region(XS, YS, plane, 0.5) for _, y in polygon)
    drawn = loss_surface.svg("", XS, YS, plane, {})
    bands = re.findall(r'<path d="([^"]*)" fill', drawn)
    last = bands[-1]  # the darkest band, drawn last: from 0.9 on
    lowest = max(float(p.split()[1]) for p in re.findall(r"[ML]([\d. ]+)", last))
    assert abs(lowest - (loss_surface.TOP + loss_surface.HIGH * 0.1)) < 0.1
    assert len(bands) == 9


def test_a_path_begins_and_ends_at_its_points_and_counts_those_outside():
    path = [[4, -1], [5, -0.5], [6, 0], [5, 0.5]]
    drawn = loss_surface.svg("a < b", XS, YS, PLANE, {"one & two": path, "still": path[:1]})
    root = ET.fromstring(drawn)
    names = [e.text for e in root.iter("{http://www.w3.org/2000/svg}text")]
    assert "one & two: 1 of 4 points lie outside of the map" in names
    assert "still" in names
    line = root.find(".//{http://www.w3.org/2000/svg}polyline").get("points").split()
    left, top, wide, high = loss_surface.LEFT, loss_surface.TOP, loss_surface.WIDE, loss_surface.HIGH
    corners = [(left, top + high), (left + wide / 2, top + high / 2), (left + wide, top)]
    assert line[:3] == [f"{a:.1f},{b:.1f}" for a, b in corners]
    assert drawn == loss_surface.svg("a < b", XS, YS, PLANE, {"one & two": path, "still": path[:1]})


def test_a_flat_loss_has_one_band():
    drawn = loss_surface.svg("flat", XS, YS, np.full((31, 41), 0.3), {})
    assert drawn.count(f'fill="{loss_surface._colour(0)}"') == 2  # the map and its key
    assert ">0.3<" in drawn
    ET.fromstring(drawn)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"values": PLANE.T}, "values (41, 31)"),
        ({"xs": XS[:1], "values": PLANE[:, :1]}, "xs (1,)"),
        ({"ys": YS[::-1]}, "ys does not increase"),
        ({"values": np.where(PLANE > 0.99, np.inf, PLANE)}, "31 of 1271 values are not finite"),
        ({"paths": {"p": [[np.nan, 1.0]]}}, "the path 'p'"),
        ({"paths": {"p": [1.0, 2.0]}}, "shape (2,)"),
    ],
    ids=["transposed", "one column", "falling", "infinite", "NaN in a path", "a point, not a path"],
)
def test_what_does_not_fit_is_refused(change, words):
    given = {"title": "", "xs": XS, "ys": YS, "values": PLANE, "paths": {}} | change
    with pytest.raises(ValueError, match=re.escape(words)) as caught:
        loss_surface.svg(**given)
    assert len(str(caught.value).splitlines()) == 2
