"""The player of a scan in a browser: by keyboard, by ear, at every size, in both languages."""

import re

import numpy as np
import pytest
from test_player_access import faults, into_the_graph, size
from test_player_language import ENGLISH

import tinygrad_rnn as tg
from tinygrad_rnn import bptt, nn

pytestmark = [pytest.mark.slow, pytest.mark.needs_chromium]


def scanned(T, layers=1):
    rng = np.random.default_rng(0)
    layer = nn.GRU(3, 4, num_layers=layers)
    params = layer.init(rng)
    with tg.Tape() as tape:
        out, _ = layer(params, rng.standard_normal((T, 2, 3)))
        loss = (out**2).sum()
    return bptt.scan_gradient(tape, loss, params)


@pytest.fixture(scope="module")
def eight(tmp_path_factory):
    """The page of a scan of eight steps."""
    return scanned(8).play(tmp_path_factory.mktemp("scan") / "scan.html")


def test_axe_finds_nothing(axe, opened, eight):
    with opened(eight, "#2", **size("laptop")) as page:
        page.locator("#play-graph g[id]:visible").nth(12).click()
        assert faults(page, axe) == []
        page.emulate_media(color_scheme="dark")
        page.evaluate("show('lean'); go(end())")
        assert faults(page, axe) == []


def test_keys_go_from_round_to_round_and_each_is_told(opened, eight):
    with opened(eight, **size("laptop")) as page:
        told = [page.locator("#play-position").inner_text()]
        for _ in range(4):
            page.keyboard.press("ArrowRight")
            told.append(page.locator("#play-position").inner_text())
        assert told == ["pairs", "round 1 of 3", "round 2 of 3", "round 3 of 3", "the gradient"]
        assert page.locator("#play-said").inner_text().startswith("The gradient From the cotangent")
        assert page.evaluate("location.hash") == "#4"
        page.keyboard.press("l")
        assert page.locator("#play-position").inner_text() == "round 4 of 5"
        assert page.locator("#play-now h2").inner_text() == "Down-sweep, round 4 of 5, chain of h"
        into_the_graph(page)
        page.keyboard.press("Home")
        page.keyboard.press("Enter")
        assert page.locator("#play-node-name").inner_text() == "Selected: g0"
        boxes = page.locator("#play-graph g[id]:visible")
        assert all(boxes.evaluate_all("(all) => all.map((box) => box.getAttribute('aria-label'))"))


def test_a_round_lights_what_it_makes_and_what_it_reads(opened, eight):
    with opened(eight, "#2", **size("laptop")) as page:
        lit = {
            kind: set(page.locator(f"#play-graph g.{kind}:visible").evaluate_all("(all) => all.map((e) => e.id)"))
            for kind in ("now", "read", "waits")
        }
    assert lit["now"] == {f"scan0n2_{k}" for k in (2, 3, 6, 7)}
    assert lit["read"] == {f"scan0n1_{k}" for k in (1, 2, 3, 5, 6, 7)}
    assert lit["waits"] == {f"scan0n3_{k}" for k in range(8)} | {f"scan0w{k}" for k in range(3, 8)}


def test_eight_steps_are_read_whole(opened, eight):
    """All boxes lie in the window, their type is large enough, and nothing of the controls covers another."""
    with opened(eight, "#lean-3", **size("laptop")) as page:
        for width, height in ((1280, 720), (900, 700), (600, 900)):
            page.set_viewport_size({"width": width, "height": height})
            page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
            require_read(page)


def require_read(page):
    frame = page.locator("#play-graph").bounding_box()
    ends = "[...level.svg.querySelectorAll('g[id]')].map((e) => e.getBoundingClientRect())"
    boxes = page.evaluate(f"{ends}.map(({{left, right}}) => [left, right])")
    assert all(frame["x"] <= left < right <= frame["x"] + frame["width"] + 1 for left, right in boxes)
    assert page.evaluate("scale") * 14 >= 11
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    told, toggle = (page.locator(f"#play-{name}").bounding_box() for name in ("position", "toggle"))
    assert told["y"] + told["height"] <= toggle["y"] + 1


def test_chains_have_pictures_of_their_own(opened, tmp_path):
    with opened(scanned(3, layers=2).play(tmp_path / "two.html"), **size("laptop")) as page:
        shown = "[...document.querySelectorAll('#play-graph svg')].map((e) => !!e.getClientRects().length)"
        assert page.evaluate(shown) == [True, False, False, False]
        page.keyboard.press("ArrowUp")
        assert page.locator("#play-position").inner_text() == "pairs, chain 2 of 2"
        assert page.evaluate(shown) == [False, True, False, False]
        page.keyboard.press("ArrowDown")
        page.keyboard.press("End")
        page.keyboard.press("l")
        assert page.evaluate(shown) == [False, False, False, True]


def test_each_position_is_told_in_chinese(opened, tmp_path):
    with tg.speak("zh"):
        path = scanned(8).play(tmp_path / "zh.html")
    with opened(path) as page:
        told = page.evaluate(
            """() => Object.keys(LEVELS).flatMap((name) => { show(name); open("node", true);
              return level.stops.map((p) => { go(p);
                return document.getElementById("play-side").textContent + part("said").textContent; }); })"""
        )
    assert len(told) == 5 + 7
    for text in told:
        assert set(ENGLISH.findall(re.sub(r"log2|dL/dh|(weight|bias)_\w+?l0", "", text))) == set()
        assert re.search("[一-鿿]", text)


def test_without_scripts_both_pictures_are_there(opened, eight):
    with opened(eight, java_script_enabled=False) as page:
        assert page.locator("#play-graph svg:visible").count() == 1
        assert "Scripts are off" in page.locator("noscript").inner_text()
