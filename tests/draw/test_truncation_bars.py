"""The cuts of a sequence under its characters: bars where they belong, in as few lanes as they need."""

import re
import xml.etree.ElementTree as ET

from tinygrad_rnn.draw import truncation_bars as cuts

WALKS = [(0, 0, 2), (1, 2, 4), (2, 4, 6), (4, 6, 7)]


def test_walks_that_overlap_are_in_lanes_of_their_own():
    assert cuts.lanes(WALKS) == [[(0, 0, 2), (2, 4, 6)], [(1, 2, 4), (4, 6, 7)]]
    assert cuts.lanes([]) == []


def test_as_text():
    assert cuts.as_text("a<b&cde", WALKS) == "a<b&cde\n[=[-==\n [==[-="
    assert cuts.as_text("abc", WALKS) == "abc\n[=[\n [="  # only what is shown
    assert cuts.as_text("ab", [(0, 0, 1), (1, 1, 2)]) == "ab\n[["


def test_the_picture_has_a_bar_for_each_walk_at_its_place():
    drawn = cuts.svg("cut & dried", "a<b cde", {"one <way>": WALKS})
    root = ET.fromstring(drawn)
    assert "cut & dried" in [e.text for e in root.iter("{http://www.w3.org/2000/svg}title")]
    letters = [e.text for e in root.iter("{http://www.w3.org/2000/svg}text") if e.get("font-family") == "monospace"]
    assert "".join(letters) == "a<bcde"
    found = re.findall(
        rf'<rect x="(\d+)" y="(\d+)" width="(\d+)" height="7" rx="2" fill="({cuts.FROM}|{cuts.BACK})"', drawn
    )
    bars = [((int(x) - cuts.LEFT - 1) / cuts.CELL, (int(w) + 2) / cuts.CELL, c == cuts.FROM) for x, _, w, c in found]
    assert sorted(b[:2] for b in bars if b[2]) == [(0, 2), (2, 2), (4, 2), (6, 1)]
    assert sorted(b[:2] for b in bars if not b[2]) == [(0, 2), (1, 3), (2, 4), (4, 3)]
    assert len({y for _, y, _, _ in found}) == 2
    assert cuts.svg("cut & dried", "a<b cde", {"one <way>": WALKS}) == drawn
