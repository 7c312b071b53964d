"""The player for everybody: by keyboard alone, by ear, on screens of any size, in a frame, in any colours."""

import html
import re

import cells
import numpy as np
import pytest

import tinygrad_rnn as tg
from tinygrad_rnn import draw, nn
from tinygrad_rnn.draw import player, player_page
from tinygrad_rnn.draw.style import luminance

SIZES = {"laptop": (1280, 720), "hd": (1920, 1080), "phone": (390, 844), "frame": (900, 500)}


@pytest.fixture(scope="module")
def lstm(tmp_path_factory):
    """(tape, loss, page) of an LSTM of three steps."""
    tape, loss, *_ = cells.recorded("lstm", T=3)
    return tape, loss, draw.play(tape, loss, tmp_path_factory.mktemp("player") / "lstm.html")


def size(name):
    width, height = SIZES[name]
    return {"viewport": {"width": width, "height": height}}


# ------------------------------------------------------------------------------------------------ axe-core


def faults(page, axe):
    with open(axe, encoding="utf-8") as source:
        page.evaluate(source.read())
    found = page.evaluate("axe.run()")["violations"]
    return [(each["impact"], each["id"], each["nodes"][0]["html"][:100]) for each in found]


@pytest.mark.slow
@pytest.mark.needs_chromium
def test_axe_finds_nothing(axe, opened, lstm):
    with opened(lstm[2], "#90", **size("laptop")) as page:
        assert faults(page, axe) == []


PLACES = [
    (where, screen, ("light", "dark")[(i + j) % 2])
    for i, where in enumerate(["#0", "#20", "#ops-30", "#ops-90", "#136"])
    for j, screen in enumerate(SIZES)
]
"""Each place on each screen, and each of both in either scheme."""


@pytest.mark.slow
@pytest.mark.needs_chromium
@pytest.mark.parametrize(("where", "screen", "scheme"), PLACES)
def test_axe_finds_nothing_anywhere(axe, opened, lstm, where, screen, scheme):
    with opened(lstm[2], where, color_scheme=scheme, **size(screen)) as page:
        page.locator("#play-graph g[id]:visible").first.click(force=True)
        assert faults(page, axe) == []


@pytest.mark.slow
@pytest.mark.needs_chromium
def test_axe_is_asked_the_right_thing(axe, opened, lstm):
    """A page with a fault is not found clean."""
    with opened(lstm[2], "#90", **size("laptop")) as page:
        page.evaluate("document.getElementById('play-slider').removeAttribute('aria-label')")
        assert [rule for _, rule, _ in faults(page, axe)] == ["label"]


def test_text_has_contrast_in_both_schemes():
    """At least 4.5 to 1 (WCAG 2.1), also on the darkest cell of a table; the ring of the focus at least 3 to 1."""
    css = player_page.read("player.css")
    schemes = [
        dict(re.findall(r"--(\w+): (#\w{6})", block)) for block in re.findall(r":root \{(.*?)\}", css, re.DOTALL)
    ]
    assert len(schemes) == 2
    for colours in schemes:
        for text in ("text", "faint", "forward", "backward"):
            for ground in ("ground", "panel"):
                assert contrast(colours[text], colours[ground]) >= 4.5, (text, ground)
        for cell in ((0, 114, 178), (230, 159, 0)):
            below = [int(colours["panel"][k : k + 2], 16) for k in (1, 3, 5)]
            mixed = "#" + "".join(f"{round(0.4 * a + 0.6 * b):02x}" for a, b in zip(cell, below, strict=True))
            assert contrast(colours["text"], mixed) >= 4.5
        assert contrast(colours["focus"], colours["paper"]) >= 3


def contrast(a, b):
    low, high = sorted((luminance(a), luminance(b)))
    return (high + 0.05) / (low + 0.05)


# ------------------------------------------------------------------------------------------------ by keyboard

FOCUSED = "document.activeElement.id"


def into_the_graph(page):
    """Press the tabulator key until a node has the focus."""
    for _ in range(20):
        page.keyboard.press("Tab")
        if page.evaluate("!!document.activeElement.closest('#play-graph g[id]')"):
            return
    raise AssertionError("the tabulator key never comes to the graph")


@pytest.mark.slow
@pytest.mark.needs_chromium
@pytest.mark.parametrize("level", ["gates", "ops"])
def test_every_node_is_reached_by_arrow_keys(opened, lstm, level):
    with opened(lstm[2], f"#{level}-0", **size("laptop")) as page:
        boxes = page.locator("#play-graph g[id]:visible").evaluate_all("(all) => all.map((box) => box.id)")
        into_the_graph(page)
        page.keyboard.press("Home")
        reached = [page.evaluate(FOCUSED)]
        for _ in range(len(boxes) - 1):
            page.keyboard.press("ArrowRight")
            reached.append(page.evaluate(FOCUSED))
        assert sorted(reached) == sorted(boxes)
        assert page.locator("#play-position").inner_text() == "at the start"  # the player stood still


@pytest.mark.slow
@pytest.mark.needs_chromium
def test_arrow_keys_follow_the_arrows_of_the_tape(opened, lstm):
    tape, _, path = lstm
    with opened(path, "#ops-0", **size("laptop")) as page:
        into_the_graph(page)
        page.keyboard.press("Home")
        at, ups = page.evaluate(FOCUSED), 0
        for _ in range(len(tape)):
            page.keyboard.press("ArrowUp")
            before, at = at, page.evaluate(FOCUSED)
            if at == before:
                break
            reader = tape[int(at[1:])]
            made = before.removeprefix("v").split("_")
            read = tape[int(made[0])].args[int(made[1])] if len(made) > 1 else tape[int(made[0])].out
            assert any(a is read for a in reader.args)
            ups += 1
        assert ups > 5
        assert at == f"v{len(tape) - 1}"  # every way up ends at the loss


@pytest.mark.slow
@pytest.mark.needs_chromium
def test_the_focus_is_seen_and_enter_selects(opened, lstm):
    with opened(lstm[2], "#136", **size("laptop")) as page:
        into_the_graph(page)
        look = page.evaluate("(({outlineStyle, outlineWidth}) => [outlineStyle, outlineWidth])"
                             "(getComputedStyle(document.activeElement))")  # fmt: skip
        assert look == ["solid", "4px"]
        box = page.evaluate(FOCUSED)
        page.keyboard.press("ArrowUp")
        assert page.evaluate(FOCUSED) != box
        page.keyboard.press("Enter")
        assert page.locator("#play-node-name").inner_text().startswith("Selected: ")
        assert page.locator("#play-node-inside").is_visible()
        assert page.evaluate("document.activeElement.getAttribute('aria-pressed')") == "true"
        page.keyboard.press("Escape")
        assert page.locator("#play-node-name").inner_text().startswith("Node")
        assert page.locator("[aria-pressed=true]:visible").count() == 1  # the level


@pytest.mark.slow
@pytest.mark.needs_chromium
def test_everything_has_a_name_and_each_move_is_told(opened, lstm):
    with opened(lstm[2], "#ops-0", **size("laptop")) as page:
        labels = page.locator("#play-graph g[id]:visible").evaluate_all(
            "(all) => all.map((box) => [box.getAttribute('role'), box.getAttribute('aria-label')])"
        )
        assert {role for role, _ in labels} == {"button"}
        assert all(label for _, label in labels)
        assert "f_1 = sigmoid(z_f_1), step 1, gate f" in {label for _, label in labels}
        said = page.locator("[role=status]")
        page.keyboard.press("End")
        data = player.film(*lstm[:2])
        place = [data["entries"][step["entry"]].get("name") for step in data["back"]].index("h_1")
        page.locator("#play-slider").fill(str(len(lstm[0]) + place + 1))
        assert said.inner_text() == (
            "Backward, step 1: from h_1 = o_1 * tanh(c_1), dL/do_1 receives dh_1 * tanh(c_1); "
            "dL/d(tanh(c_1)) receives dh_1 * o_1."
        )
        page.keyboard.press("l")
        assert "dL/do_1 receives" in said.inner_text()
        help_ = page.locator("#play-help").inner_text()
        assert "in the graph (Tab): ↑ ↓ along an arrow" in help_


# ------------------------------------------------------------------------------------------------ on any screen

INSIDE = """(name) => {
  const box = document.getElementById(name).getBoundingClientRect();
  return box.top >= 0 && box.bottom <= innerHeight && box.left >= 0 && box.right <= innerWidth && box.height > 90;
}"""


@pytest.mark.slow
@pytest.mark.needs_chromium
@pytest.mark.parametrize("screen", ["laptop", "hd", "frame"])
def test_graph_and_numbers_are_in_the_window_together(opened, lstm, screen):
    with opened(lstm[2], "#100", **size(screen)) as page:
        assert all(page.evaluate(INSIDE, f"play-{name}") for name in ("graph", "now", "controls"))
        assert page.evaluate("document.documentElement.scrollHeight <= innerHeight")
        assert page.locator("#play-now table").first.bounding_box()["y"] < SIZES[screen][1] - 100


@pytest.fixture(scope="module")
def bidirectional(tmp_path_factory):
    """The page of two layers in both directions, with more gradients than the window has lines."""
    rng = np.random.default_rng(0)
    layer = nn.LSTM(3, 2, num_layers=2, bidirectional=True)
    with tg.Tape() as tape:
        out, _ = layer(layer.init(rng), rng.standard_normal((3, 1, 3)))
        loss = (out**2).sum()
    return draw.play(tape, loss, tmp_path_factory.mktemp("player") / "two.html")


@pytest.mark.slow
@pytest.mark.needs_chromium
def test_long_lists_of_gradients_stay_in_the_window_and_layers_are_said_once(opened, bidirectional):
    with opened(bidirectional, "#400", **size("laptop")) as page:
        assert page.evaluate("document.documentElement.scrollHeight <= innerHeight")
        ends = page.locator("#play-side > section").evaluate_all(
            "(all) => all.map((e) => e.getBoundingClientRect().bottom)"
        )
        assert max(ends) < 690
        said = page.locator("#play-now").inner_text()
        assert said.startswith("Backward, layer 0, direction reverse, step 0")
        assert "From c_0 = f_0 * c_1 + i_0 * g_0:" in said
        assert "dL/dc_1 receives dc_0 * f_0" in said
        page.locator("#gv129").click()  # of the other layer
        assert "layer 1, direction forward, step 0" in page.locator("#play-node").inner_text()


@pytest.mark.slow
@pytest.mark.needs_chromium
def test_on_a_phone_nothing_is_wider_than_the_screen_and_the_buttons_stay(opened, lstm):
    with opened(lstm[2], "#100", has_touch=True, is_mobile=True, **size("phone")) as page:
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert page.evaluate(INSIDE, "play-graph")
        assert page.locator("#play-now table").first.bounding_box()["y"] < 650
        for _ in range(2):
            assert page.evaluate(INSIDE, "play-controls")
            page.evaluate("scrollTo(0, 1e6)")
        page.locator("#play-on").tap()
        assert page.evaluate("position") > 100
        cut = "(all) => all.filter((e) => e.scrollHeight > e.clientHeight + 1).length"
        assert page.locator(".scrolls").evaluate_all(cut) == 0


@pytest.mark.slow
@pytest.mark.needs_chromium
@pytest.mark.parametrize(("T", "level", "whole"), [(3, "gates", True), (3, "ops", False), (20, "gates", False)])
def test_the_page_opens_on_the_whole_graph_or_readably_on_the_first_step(opened, tmp_path, T, level, whole):
    tape, loss, *_ = cells.recorded("lstm", T=T)
    with opened(draw.play(tape, loss, tmp_path / "a.html", level=level), **size("laptop")) as page:
        frame, picture = (page.locator(f"#play-graph{inner}").bounding_box() for inner in ("", " svg:visible"))
        assert (picture["width"] <= frame["width"] and picture["height"] <= frame["height"]) == whole
        assert page.evaluate("scale") >= 0.8
        first = page.locator(f"#{'g' * (level == 'gates')}v2_0:visible").bounding_box()  # x[0]
        assert frame["x"] <= first["x"] <= frame["x"] + frame["width"]
        assert frame["y"] <= first["y"] <= frame["y"] + frame["height"]
        page.set_viewport_size({"width": 1900, "height": 1000})
        before = page.evaluate("scale")
        page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
        assert page.evaluate("scale") >= min(before, 1)  # it follows the window
        assert page.evaluate("fitted")
        page.keyboard.press("0")
        picture = page.locator("#play-graph svg:visible").bounding_box()
        assert picture["width"] <= page.locator("#play-graph").bounding_box()["width"]


@pytest.mark.slow
@pytest.mark.needs_chromium
def test_in_a_frame_of_a_notebook_it_plays_and_leaves_the_wheel_alone(opened, tmp_path, lstm):
    tape, loss, _ = lstm
    inside = html.escape(player.play(tape, loss).page, quote=True)
    (tmp_path / "notebook.html").write_text(
        "<!DOCTYPE html><title>n</title>"
        f'<iframe sandbox="allow-scripts" width="900" height="500" srcdoc="{inside}"></iframe>'
        '<p style="height: 2000px">below</p>',
        encoding="utf-8",
    )
    with opened(tmp_path / "notebook.html", **size("laptop")) as page:
        frame = page.frames[1]
        scale = frame.evaluate("scale")
        page.mouse.move(300, 200)
        for _ in range(100):  # the graph scrolls first, where it can
            page.mouse.wheel(0, 200)
            if page.evaluate("scrollY"):
                break
        assert page.evaluate("scrollY")
        page.evaluate("scrollTo(0, 0)")
        assert frame.evaluate("scale") == scale
        frame.locator("#play-on").click()
        page.keyboard.press("ArrowRight")
        assert frame.locator("#play-position").inner_text() == "forward 2 of 23 boxes"
        assert frame.evaluate("document.documentElement.scrollHeight <= innerHeight")


# ------------------------------------------------------------------------------------------------ levels


@pytest.mark.slow
@pytest.mark.needs_chromium
def test_the_levels_share_their_position_and_the_address_keeps_it(opened, lstm):
    path = lstm[2]
    with opened(path, "#60", **size("laptop")) as page:
        assert page.locator("#play-gates").get_attribute("aria-pressed") == "true"
        here = page.evaluate("position")
        page.locator("#play-ops").click()
        assert page.evaluate("position") == here
        page.keyboard.press("ArrowRight")
        assert page.evaluate("location.hash") == f"#ops-{here + 1}"
        page.reload()
        assert page.evaluate("position") == here + 1
        assert page.locator("#play-ops").get_attribute("aria-pressed") == "true"
        assert page.locator(f"#v{here}").get_attribute("class").split()[-1] == "now"
        assert page.locator(".waits:visible").count() < page.locator("#play-graph g[id]:visible").count()


@pytest.mark.slow
@pytest.mark.needs_chromium
def test_the_numbers_at_the_level_of_gates_are_those_of_the_tape(opened, tmp_path):
    tape, loss, *_ = cells.recorded("lstm", T=2, B=1, H=2)
    data = player.film(tape, loss)
    names = {leaf["name"]: x for leaf, x in zip(data["leaves"], tape.leaves(), strict=True)}
    names |= {e["name"]: tape[k].out for k, e in enumerate(data["entries"]) if "name" in e}
    came = {}
    with opened(draw.play(tape, loss, tmp_path / "a.html"), **size("hd")) as page:
        for stop in page.evaluate("level.stops")[1:]:
            page.evaluate(f"go({stop})")
            shown = page.locator("#play-now")
            if stop <= len(tape):
                array = shown.locator("table").last
                close(array, tape[page.evaluate(f"entryAt({stop})")].out.data)
                continue
            for product in shown.locator(".product").all():
                name = product.locator("b").inner_text().removeprefix("dL/d")
                place = None if name in names else re.search(r"\[[^\]]*\]$", name)
                value = names[name.removesuffix(place[0]) if place else name]
                part = came.setdefault(value, np.zeros(value.shape))
                rows = numbers(product.locator("table").first)
                part = part[eval(f"np.s_{place[0]}") if place else ...]
                flat(part)[: len(rows)] += rows  # the first rows of a larger array
    assert len(came) > 25
    for value, total in came.items():
        total, gradient = flat(total)[:4], flat(tape.gradient(loss, value))[:4]
        np.testing.assert_allclose(total, gradient, rtol=2e-3, atol=2e-3 * np.abs(gradient).max())


def flat(values):
    """The array as the rows of a table: a view of it."""
    return values.reshape(-1, values.shape[-1]) if values.ndim > 2 else np.atleast_2d(values)


def numbers(table):
    """The rows of a table that are shown."""
    rows = [row.locator("td").all_inner_texts() for row in table.locator("tr").all()]
    return np.array([[float(cell) for cell in row] for row in rows if "…" not in row])


def close(table, values):
    if values.ndim < 3:
        np.testing.assert_allclose(numbers(table), np.atleast_2d(values), rtol=6e-4)
