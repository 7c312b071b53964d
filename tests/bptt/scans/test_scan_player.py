"""The player of a scan: its words and numbers against the chain, and its page in a browser."""

import json
import re

import numpy as np
import pytest
from test_scan_gradient import recorded

import tinygrad_rnn as tg
from tinygrad_rnn import bptt, cli, nn
from tinygrad_rnn.draw.player_page import SCRIPTS, policy, read, templates
from tinygrad_rnn.language.chinese.catalogues import CHINESE

CELLS = ["rnn", "lstm", "min_gru", "lru", "mlstm", "gated_delta_net"]


def played(name="gru", T=8, **sizes):
    tape, loss, wrt = recorded(name, T, **sizes)
    return bptt.scan_gradient(tape, loss, wrt)


def data_of(page):
    return json.loads(re.search(r'id="play-data">(.*?)</script>', page, flags=re.DOTALL).group(1))


def walked(chain, b):
    """The cotangents of a chain, one after another: g_k = J_{k+1}^T g_{k+1} + b_k."""
    found = [b[-1]]
    for J, own in zip(chain.jacobians[::-1], b[-2::-1], strict=True):
        found.append(np.einsum("...ij,...i->...j", J, found[-1]) + own)
    return found[::-1]


def of_first(chain, values):
    return values[0][..., 0] if chain.size == 1 else values[0]


def shows(array, values):
    """An array of the page has these values, to the four digits shown."""
    assert tuple(array["shape"]) == values.shape
    np.testing.assert_allclose(array["norm"], np.linalg.norm(values), rtol=6e-4)
    rows = np.array([[float(v) for v in row] for row in array["rows"]])
    np.testing.assert_allclose(rows.reshape(values.shape), values, rtol=6e-4, atol=1e-12)


# ------------------------------------------------------------------------------------------------ numbers


@pytest.mark.parametrize("T", [2, 3, 7, 8])
@pytest.mark.parametrize("name", CELLS)
def test_each_box_holds_the_product_of_its_steps(name, T):
    """The pair of steps k to l is A = J_{k+1}^T ... J_{l+1}^T, and b what remains of g_k where g_{l+1} is zero."""
    found = played(name, T, H=2)
    data = data_of(found.play().page)
    for n, (chain, b) in enumerate(zip(found.chains[::-1], found.added[::-1], strict=True)):
        require_boxes_of(chain, b, data, n, T)


def require_boxes_of(chain, b, data, n, T):
    g, seen = walked(chain, b), set()
    for which, box in data["boxes"].items():
        if which.startswith((f"scan{n}n", f"lean{n}n")):
            place = int(which.rsplit("_", 1)[1])
            for name, number in box["arrays"]:
                letter, first, last = re.fullmatch(r"([Abg])_\{(\d+)(?:–(\d+))?\}", name).groups()
                k, l = int(first), int(last or first)
                assert k == T - 1 - place
                seen.add((letter, k, l))
                if letter == "g":
                    expected = g[k]
                elif letter == "A":
                    expected = chain.jacobians[k].swapaxes(-1, -2)
                    for J in chain.jacobians[k + 1 : l + 1]:
                        expected = expected @ J.swapaxes(-1, -2)
                    expected = expected[..., 0] if chain.size == 1 else expected
                else:
                    alone = b[k : l + 1]
                    expected = walked_alone(chain.jacobians[k:l], alone)
                shows(data["arrays"][number], of_first(chain, expected))
    assert {("g", k, k) for k in range(T)} <= seen
    for place in range(T):  # the walk's own boxes
        ((_, number),) = data["boxes"][f"scan{n}w{place}"]["arrays"]
        shows(data["arrays"][number], of_first(chain, g[T - 1 - place]))


def walked_alone(jacobians, b):
    g = b[-1]
    for J, own in zip(jacobians[::-1], b[-2::-1], strict=True):
        g = np.einsum("...ij,...i->...j", J, g) + own
    return g


@pytest.mark.parametrize("level", ["scan", "lean"])
@pytest.mark.parametrize("T", [1, 2, 3, 7, 8, 16])
def test_the_rounds_are_told_truly(T, level):
    """Every product stands in one round, joins neighbours, and the counts of the words are those of the boxes."""
    found = played("rnn", T, H=1)
    frames = data_of(found.play().page)["levels"][level]
    *rounds, last = frames
    products = sum(len(frame["products"]) for frame in rounds)
    depth = int(np.ceil(np.log2(T)))
    if level == "scan":
        assert len(rounds) - 1 == depth
        assert products == sum(len([k for k in range(T) if k // 2**n % 2]) for n in range(depth))
    else:
        assert products <= max(2 * T - 2 - np.log2(T), 0)
    for n, frame in enumerate(rounds[1:], 1):
        text = " ".join(frame["words"])
        assert f"{len(frame['products'])} product" in text
        if n < len(rounds) - 1:
            known, of, walk = map(int, re.search(r"Now (\d+) of (\d+) .* knows (\d+)\.", text).groups())
            made = {int(p["to"].rsplit("_", 1)[1]) for f in rounds[1 : n + 1] for p in f["products"] if is_g(p)}
            assert (known, of, walk) == (1 + len(made), T, n + 1)
        else:
            assert f"All {T} cotangents are known after {len(rounds) - 1} round" in text
            assert f"the walk needs {T - 1} round" in text
    assert rounds[0]["level"] == 0
    assert last["head"] == "The gradient"


def is_g(product):
    return product["result"][0][0].startswith("g")


@pytest.mark.parametrize("T", [1, 2, 7])
def test_it_ends_with_the_gradient_of_the_walk(T):
    tape, loss, wrt = recorded("lstm", T)
    data = data_of(bptt.scan_gradient(tape, loss, wrt).play().page)
    *_, last = data["levels"]["scan"]
    expected = tape.gradient(loss, wrt)
    assert [row["name"] for row in last["gradients"]] == [*wrt]
    for row in last["gradients"]:
        norm = np.linalg.norm(expected[row["name"]])
        np.testing.assert_allclose(row["norms"], [norm, norm], rtol=6e-4, atol=1e-300)
        assert float(row["apart"]) < 1e-12
    assert "It is the gradient of the walk" in last["words"][1]


def test_a_wrong_scan_is_not_called_right():
    """Where the gradient of a result differs from that of the walk, the page says so."""
    tape, loss, wrt = recorded("rnn", 3)
    found = bptt.scan_gradient(tape, loss, wrt)
    found.gradients["weight_hh"] *= 1.001
    words = data_of(found.play().page)["levels"]["scan"][-1]["words"][1]
    assert words.startswith("The gradients of scan and walk are apart by 0.001 of the largest entry: ")


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_numbers_that_are_not_finite_are_not_called_equal(value):
    x = tg.Tensor(np.array([[1.0, value]]), name="x")
    with tg.Tape() as tape:
        s = tg.Tensor(np.ones((1, 2)))
        for t in range(4):
            with tg.scope(t=t):
                s = tg.named("s", s * x)
        loss = s.sum()
    with np.errstate(all="ignore"):
        found = bptt.scan_gradient(tape, loss, x)
    data = data_of(found.play().page)
    *_, last = data["levels"]["lean"]
    assert last["words"][1].startswith("Some entries are not finite")
    assert last["gradients"][0]["name"] == "the gradient"


def test_float32_is_the_gradient_of_the_walk_to_its_own_rounding():
    tape, loss, wrt = recorded("lstm", 8, dtype="float32")
    last = data_of(bptt.scan_gradient(tape, loss, wrt).play().page)["levels"]["scan"][-1]
    assert last["words"][1].startswith("It is the gradient of the walk")


@pytest.mark.parametrize("labels", ["abcd", (3, 1, 7, 2), ("g", 0, "1–2", 5)], ids=["letters", "order", "mixed"])
def test_steps_of_any_labels_are_played(labels):
    with tg.Tape() as tape:
        s = tg.Tensor(np.ones((1, 2)))
        for label in labels:
            with tg.scope(t=label):
                s = tg.named("s", np.tanh(s))
        loss = s.sum()
    page = bptt.scan_gradient(tape, loss, tape.leaves()[0]).play().page
    assert f"g_{{{labels[-1]}}} = b_{{{labels[-1]}}}" in json.dumps(data_of(page), ensure_ascii=False)


def test_large_matrices_are_shapes_and_norms_and_the_page_says_so():
    found = played("rnn", 4, H=9)
    data = data_of(found.play().page)
    start = data["levels"]["scan"][0]
    assert "A has 81 numbers, too many to be read: only its shape and its norm are shown." in start["words"]
    shown = [a for a in data["arrays"] if a["shape"] == [9, 9]]
    assert shown
    assert all(a["rows"] == [] and "from" not in a for a in shown)
    small = data_of(played("rnn", 4, H=8).play().page)
    assert not any("too many" in text for text in small["levels"]["scan"][0]["words"])


def test_chains_are_played_one_after_another_with_their_own_steps():
    layer = nn.GRU(3, 2, num_layers=2, bidirectional=True)
    rng = np.random.default_rng(0)
    params = layer.init(rng)
    with tg.Tape() as tape:
        out, _ = layer(params, rng.standard_normal((5, 2, 3)))
        loss = (out**2).sum()
    data = data_of(bptt.scan_gradient(tape, loss, params).play().page)
    frames = data["levels"]["scan"]
    assert [frame["picture"] for frame in frames] == [*sorted([0, 1, 2, 3] * 4), 3]
    first = frames[0]["words"]
    assert first[0] == "g_{k} is short for dL/dh_{k} (layer=1 direction=reverse): 2 numbers for an example."
    assert first[1].startswith("g_{1} = A_{1} g_{0} + b_{1}, where A_{1} is the step Jacobian of step 0")
    assert frames[4]["head"] == "The pairs, chain 2 of 4, h layer=1 direction=forward"


def test_steps_are_counted_from_where_they_are_asked_to():
    found = played("min_gru", 3)
    assert "g_{3} = b_{3}" in found.play(first_step=1).page
    assert "g_{2} = b_{2}" in found.play().page
    with pytest.raises(ValueError, match="first_step=2"):
        found.play(first_step=2)


def test_a_state_without_a_batch_is_shown_whole():
    a = tg.Tensor(np.array([0.5, 0.25]), name="a")
    with tg.Tape() as tape:
        s = tg.Tensor(np.ones(2))
        for t in range(3):
            with tg.scope(t=t):
                s = tg.named("s", a * s)
        loss = s.sum()
    data = data_of(bptt.scan_gradient(tape, loss, a).play().page)
    (_, A), (_, b) = data["boxes"]["scan0n0_2"]["arrays"]
    assert data["arrays"][A]["rows"] == [[0.5, 0.25]]
    assert data["arrays"][b]["rows"] == [[0, 0]]
    assert not any("examples" in text for text in data["levels"]["scan"][0]["words"])


def test_rows_that_meet_are_shown_as_one_example():
    with tg.Tape() as tape:
        s = tg.Tensor(np.arange(6.0).reshape(3, 2))
        for t in range(3):
            with tg.scope(t=t):
                s = tg.named("s", s - s.mean(axis=0))
        loss = (s**2).sum()
    data = data_of(bptt.scan_gradient(tape, loss, tape.leaves()[0]).play().page)
    words = data["levels"]["scan"][0]["words"]
    assert words[0] == "g_{k} is short for dL/ds_{k}: 6 numbers for an example."
    assert not any("first of" in text for text in words)
    ((_, A), _) = data["boxes"]["scan0n0_1"]["arrays"]
    centred = np.kron(np.eye(3) - 1 / 3, np.eye(2))
    np.testing.assert_allclose(data["arrays"][A]["rows"], centred, rtol=6e-4, atol=1e-12)


# ------------------------------------------------------------------------------------------------ the page


def test_what_cannot_be_seen_is_refused_and_leaves_no_file(tmp_path):
    found = played("rnn", 17, H=1)
    with pytest.raises(ValueError, match=r"the tree of 17 steps is too large to be seen\ndraw at most 16"):
        found.play(tmp_path / "long.html")
    with pytest.raises(ValueError, match=r"ends in none of \.html"):
        played("rnn", 2).play(tmp_path / "scan.svg")
    with tg.Tape() as tape:
        x = tg.Tensor(np.ones(2))
        loss = (x * x).sum()
    with pytest.raises(ValueError, match="has no steps"):
        bptt.scan_gradient(tape, loss, x).play()
    assert not [*tmp_path.iterdir()]


def test_the_same_scan_gives_the_same_bytes_and_lets_nothing_in(tmp_path):
    pages = [played("lru", 5).play(tmp_path / f"{n}.html").read_text(encoding="utf-8") for n in range(2)]
    assert pages[0] == pages[1] == played("lru", 5).play().page
    (allowed,) = re.findall(r'Content-Security-Policy" content="([^"]*)"', pages[0])
    assert allowed == policy(pages[0].replace(allowed, "$policy"))
    assert allowed.startswith("default-src 'none'; ")
    assert "unsafe" not in allowed
    assert set(re.findall(r"https?://[^\s\"']+", pages[0])) == {"http://www.w3.org/2000/svg"}
    markup = re.sub(r"<script.*?</script>", "", pages[0], flags=re.DOTALL)
    assert not re.search(r"<[^>]* (?:on\w+|style|src|href)=", markup)
    ids = re.findall(r' id="([^"]*)"', pages[0])
    assert len(ids) == len(set(ids))
    assert 'sandbox="allow-scripts"' in played("lru", 2).play()._repr_html_()


def test_names_stay_text():
    with tg.Tape() as tape:
        s = tg.Tensor(np.ones((1, 2)), name="<b>")
        for t in range(3):
            with tg.scope(t=t):
                s = tg.named("</script><i>", np.tanh(s))
        loss = s.sum()
    page = bptt.scan_gradient(tape, loss, {"</script><b>": tape.leaves()[0]}).play(title="<&>").page
    assert page.count("</script>") == 2
    assert "<title>&lt;&amp;&gt;</title>" in page


def test_the_page_in_chinese_has_the_same_numbers_and_no_english_word():
    found = played("gru", 8)
    english = found.play().page
    with tg.speak("zh"):
        chinese = found.play().page
    assert '<html lang="zh"' in chinese
    data, other = data_of(chinese), data_of(english)
    assert data["words"] == {each: CHINESE[each] for each in templates("".join(map(read, SCRIPTS["scan"])))}
    assert data["arrays"] == other["arrays"]
    said = [frame[key] for frame in data["levels"]["lean"] for key in ("head", "place")]
    said += [text for frame in data["levels"]["lean"] for text in frame["words"]]
    said += [box["name"] for box in data["boxes"].values()]
    assert not re.findall(r"[A-Za-z]{3,}", re.sub(r"log2|dL/dh", "", " ".join(said)))


def test_the_command_plays_a_scan(tmp_path, capsys):
    path = tmp_path / "scan.html"
    assert cli.main(["play", "--cell", "gru", "--steps", "4", "--scan", "-o", str(path)]) == 0
    assert capsys.readouterr().out.startswith("wrote ")
    page = path.read_text(encoding="utf-8")
    assert "<title>gru: BPTT as an associative scan</title>" in page
    assert len(data_of(page)["levels"]["scan"]) == 4
    assert cli.main(["play", "--scan", "--level", "ops", "-o", str(tmp_path / "no.html")]) != 0
    assert "--level" in capsys.readouterr().err
    assert not (tmp_path / "no.html").exists()
