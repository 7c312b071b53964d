"""The gradient by a scan: equal to the walk for every cell, at any length, through layers and odd losses."""

import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest
from cells import EVERY

import tinygrad_rnn as tg
from tinygrad_rnn import bptt, nn
from tinygrad_rnn.bptt.scans import state_chains
from tinygrad_rnn.nn.associative import joined, lean_rounds, prefixes, rounds

TODAY = ["ind_rnn", "min_gru", "min_lstm", "qrnn", "sru", "slstm", "mlstm", "linear_attention", "gated_delta_net"]
TODAY += ["lru", "selective_ssm"]
DIAGONAL = {"ind_rnn", "min_gru", "min_lstm", "qrnn", "sru", "linear_attention", "lru", "selective_ssm", "mlstm"}


def recorded(name, T, batch=2, I=3, H=3, dtype="float64"):
    rng = np.random.default_rng(T)
    params = getattr(nn.init, name)(rng, I, H, dtype)
    x = tg.Tensor(rng.standard_normal((T, batch, I)).astype(dtype), name="x")
    with tg.Tape() as tape:
        hs, _ = nn.unroll(getattr(nn, name), params, x)
        loss = (hs * rng.standard_normal(hs.shape).astype(dtype)).sum()
    return tape, loss, params | {"x": x}


def require_equal(found, expected, tolerance=1e-12):
    for name, g in expected.items():
        assert found[name].shape == g.shape
        assert found[name].dtype == g.dtype
        assert np.abs(found[name] - g).max() <= tolerance * max(np.abs(g).max(), 1e-30), name


@pytest.mark.parametrize("T", [1, 2, 3, 7])
@pytest.mark.parametrize("name", [*EVERY, *TODAY])
def test_the_scan_gives_the_gradient_of_the_walk(name, T):
    tape, loss, wrt = recorded(name, T)
    found = bptt.scan_gradient(tape, loss, wrt)
    require_equal(found.gradients, tape.gradient(loss, wrt))
    assert all(chain.diagonal == (name in DIAGONAL) for chain in found.chains)


@pytest.mark.slow
@pytest.mark.parametrize("T", [64, 200])
@pytest.mark.parametrize("name", [*EVERY, *TODAY])
def test_a_long_scan_gives_the_gradient_of_the_walk(name, T):
    tape, loss, wrt = recorded(name, T)
    require_equal(bptt.scan_gradient(tape, loss, wrt).gradients, tape.gradient(loss, wrt))


@pytest.mark.slow
def test_a_thousand_steps_of_32_units():
    tape, loss, wrt = recorded("rnn", 1000, 1, 3, 32)
    found = bptt.scan_gradient(tape, loss, wrt)
    require_equal(found.gradients, tape.gradient(loss, wrt))
    assert found.cost.ways[0].depth == 999
    assert found.cost.ways[1].depth == 10


@pytest.mark.parametrize("name", ["rnn", "lru", "lstm"])
@pytest.mark.parametrize(("batch", "H"), [(1, 1), (3, 1), (1, 4)])
def test_sizes_of_one(name, batch, H):
    tape, loss, wrt = recorded(name, 3, batch, 1, H)
    require_equal(bptt.scan_gradient(tape, loss, wrt).gradients, tape.gradient(loss, wrt))


def test_float32_stays_float32():
    tape, loss, wrt = recorded("lstm", 7, dtype="float32")
    require_equal(bptt.scan_gradient(tape, loss, wrt).gradients, tape.gradient(loss, wrt), 2e-6)


@pytest.mark.parametrize("T", [1, 2, 5])
@pytest.mark.parametrize(
    "layer", [nn.LSTM(3, 2, num_layers=2), nn.GRU(3, 2, bidirectional=True), nn.RNN(3, 2, num_layers=3)], ids=repr
)
def test_layers_and_directions_are_chains_of_their_own(layer, T):
    rng = np.random.default_rng(0)
    params, x = layer.init(rng), tg.Tensor(rng.standard_normal((T, 2, 3)), name="x")
    with tg.Tape() as tape:
        out, _ = layer(params, x)
        loss = (out**3).sum()
    wrt = params | {"x": x}
    found = bptt.scan_gradient(tape, loss, wrt)
    require_equal(found.gradients, tape.gradient(loss, wrt))
    assert len(found.chains) == (0 if T == 1 else {"LSTM": 2, "GRU": 2, "RNN": 3}[type(layer).__name__])


def own_loop(T=6):
    """A loop by hand: the output reads what c is made of, a loss in each step, and two layers that take turns."""
    rng = np.random.default_rng(1)
    p = {k: tg.Tensor(rng.standard_normal((2, 2)), name=k) for k in "UVWA"}
    x = tg.Tensor(rng.standard_normal((T, 3, 2)), name="x")
    h, c, g, total = np.zeros((3, 2)), np.zeros((3, 2)), np.zeros((3, 2)), 0.0
    with tg.Tape() as tape:
        for t in range(T):
            with tg.scope(t=t):
                gate = tg.sigmoid(x[t] @ p["W"] + h @ p["U"])
                c = tg.named("c", gate * c + (1 - gate) * np.tanh(x[t]))
                bent = np.tanh(c)
                h = tg.named("h", gate * bent)
                total = total + ((bent @ p["A"]) ** 2).sum()  # reads c, past h
            with tg.scope(t=t, layer=1):
                g = tg.named("g", np.sin(g @ p["V"] + bent))  # the layer above reads what is no state
                total = total + (g * h).sum()
        loss = total + (h * h).sum()
    return tape, loss, p | {"x": x}


def test_a_loop_of_ones_own():
    tape, loss, wrt = own_loop()
    inner = {"c": tape.find("c", t=3), "h": tape.find("h", t=2), "g": tape.find("g", t=1, layer=1)}
    wrt = wrt | inner | {"bent": tape.find("h", t=4)}
    found = bptt.scan_gradient(tape, loss, wrt)
    require_equal(found.gradients, tape.gradient(loss, wrt))
    assert {("h", "c"), ("g",)} <= {chain.names for chain in found.chains}


def test_several_results_with_cotangents_of_their_own():
    tape, _, wrt = own_loop()
    rng = np.random.default_rng(2)
    seeds = {tape.find(name, t=t): rng.standard_normal((3, 2)) for name, t in (("h", 5), ("h", 2), ("c", 4))}
    require_equal(bptt.scan_gradient(tape, seeds, wrt).gradients, tape.gradient(seeds, wrt))


def meeting(name):
    """A tape of steps whose rows meet, and its parameters."""
    rng = np.random.default_rng(3)
    p = {"W": tg.Tensor(rng.normal(size=(3, 3)), name="W"), "U": tg.Tensor(rng.normal(size=(3, 3)), name="U")}
    xs = rng.standard_normal((5, 3, 2))
    if name == "a batch that is normalized":

        def cell(p, x, h):
            z = x @ p["W"][:2] + h @ p["U"]
            below = z - z.mean(axis=0)
            return np.tanh(below / np.sqrt((below * below).mean(axis=0) + 0.1))

        state = np.zeros((3, 3))
    elif name == "columns":

        def cell(p, x, h):
            return np.tanh(p["W"] @ x + p["U"] @ h)

        state = np.zeros((3, 2))
    else:

        def cell(p, x, S):
            v = x[:, 0] @ p["W"]
            return 0.8 * p["U"] @ S @ p["W"] + 0.3 * v[:, None] * v[None, :]

        state = np.eye(3)
    with tg.Tape() as tape:
        hs, _ = nn.unroll(cell, p, xs, state)
        loss = (hs**3).sum()
    return tape, loss, p


@pytest.mark.parametrize("name", ["a batch that is normalized", "columns", "a matrix of one example"])
def test_rows_that_meet_are_one_example(name):
    tape, loss, wrt = meeting(name)
    found = bptt.scan_gradient(tape, loss, wrt)
    require_equal(found.gradients, tape.gradient(loss, wrt))
    (chain,) = found.chains
    assert chain.rows == 1
    assert chain.size == chain.states[0][0].size


@pytest.mark.parametrize("kind", ["steps counted on", "begun anew", "detached"])
def test_the_steps_are_in_the_order_of_the_run(kind):
    """A state that no step reads is in its place all the same."""
    rng = np.random.default_rng(4)
    p = nn.init.gru(rng, 2, 3)
    xs = rng.standard_normal((7, 2, 2))
    with tg.Tape() as tape:
        h, loss = tg.Tensor(np.zeros((2, 3))), 0.0
        for t in range(7):
            if t == 4:
                h = {"steps counted on": np.tanh, "begun anew": np.ones_like, "detached": tg.Tensor.detach}[kind](h)
            with tg.scope(t=t):
                h = nn.gru(p, xs[t], h)
                loss = loss + (h**2).sum()
    found = bptt.scan_gradient(tape, loss, p)
    require_equal(found.gradients, tape.gradient(loss, p))
    assert [state[0] for state in found.chains[0].states] == [tape.find("h", t=t) for t in range(7)]


def test_a_product_that_overflows_is_refused():
    """The walk meets a zero before the large factors, and is finite."""
    factors = np.array([1, 1e200, 1e200, 0, 1, 1])
    with tg.Tape() as tape:
        h = tg.Tensor([1e-300], name="h0")
        for t, factor in enumerate(factors):
            with tg.scope(t=t):
                h = tg.named("h", factor * h)
        loss = h.sum()
    assert tape.gradient(loss, tape.find("h", t=0)) == 0
    with pytest.raises(ValueError, match=r"a product of the Jacobians of h over many steps overflows\nuse gradient"):
        bptt.scan_gradient(tape, loss, tape.find("h", t=0))


def test_jacobians_that_no_memory_holds_are_refused(monkeypatch):
    monkeypatch.setattr(state_chains, "MOST_BYTES", 4 * 2 * 3 * 3 * 8)
    tape, loss, wrt = recorded("rnn", 5)
    bptt.scan_gradient(tape, loss, wrt)
    tape, loss, wrt = recorded("rnn", 6)
    with pytest.raises(ValueError, match=r"the Jacobians of h take 0.0 GiB: 5 of shape \(2, 3, 3\)\ngive fewer steps"):
        bptt.scan_gradient(tape, loss, wrt)


def test_what_a_scan_cannot_do_is_refused():
    with tg.Tape() as tape:
        h = [tg.Tensor(np.ones((2, 2))), tg.Tensor(np.ones((2, 2)))]
        for t in range(5):
            with tg.scope(t=t):
                h.append(tg.named("h", np.tanh(h[-1] + h[-2])))
        loss = h[-1].sum()
    with pytest.raises(ValueError, match=r"scan_gradient: in t=2, 'h' .* depends on the state of t=0 past that of t=1"):
        bptt.scan_gradient(tape, loss, h[0])
    with tg.Tape() as tape:
        s = tg.Tensor(np.ones((2, 1, 3)))
        for t in range(4):
            with tg.scope(t=t):
                s = tg.named("s", np.concatenate([s, np.tanh(s[:, -1:])], axis=1))
        loss = (s**2).sum()
    with pytest.raises(
        ValueError, match=r"scan_gradient: states of shapes \(2, 3, 3\) at t=1, and of \(2, 2, 3\) at t=0"
    ):
        bptt.scan_gradient(tape, loss, tape.find("s", t=0))
    with tg.Tape() as tape:
        hs, _ = nn.unroll(lambda p, x, h: h, {}, np.ones((3, 2, 2)), np.ones((2, 2)))
    with pytest.raises(ValueError, match="scan_gradient: the tape has steps that hand nothing on"):
        bptt.scan_gradient(tape, hs.sum(), hs)
    with tg.Tape() as tape:
        h = tg.Tensor(np.ones((2, 2)), name="h0")
        loss = np.tanh(np.tanh(h)).sum()
    with pytest.raises(ValueError, match="scan_gradient: the tape has no steps\nlabel each"):
        bptt.scan_gradient(tape, loss, h)
    tape, loss, wrt = recorded("rnn", 3)
    tape.hook(lambda step, g: g, "h")
    with pytest.raises(ValueError, match="the tape has hooks"):
        bptt.scan_gradient(tape, loss, wrt)
    with pytest.raises(TypeError, match="scan_gradient: the tape is a list"):
        bptt.scan_gradient([], loss, wrt)


def test_the_cost_is_counted():
    tape, loss, wrt = recorded("rnn", 8, 1, 3, 2)
    found = bptt.scan_gradient(tape, loss, wrt)
    walk, scan, lean = found.cost.ways
    assert (walk.work, walk.depth) == (7 * 4, 7)  # seven products of a 2 x 2 matrix and a vector
    assert (scan.work, scan.depth) == (12 * 12, 3)  # three rounds of four products of 2 x 2 matrices
    assert (lean.work, lean.depth) == (11 * 12, 5)  # 4 + 2 + 1 up, and 1 + 3 down
    assert found.cost.pays_from == 32
    assert scan.time(32) == 6 < walk.time(32) == 7
    lines = str(found).splitlines()
    assert lines[2].split() == ["scan", "144", "3", "48", "32", "processors"]
    assert lines[-3] == "64 processors, states of this size: a scan is faster from 4 steps on"
    assert found.cost.steps_from(1) is None
    assert found.cost.steps_from(64) == 4  # 3 rounds of the walk; 2 rounds of two products, 12 multiply-adds each


class Counted:
    """A number whose products are counted."""

    products = 0

    def __init__(self, value=0):
        self.value = value

    def __mul__(self, other):
        Counted.products += 1
        return Counted()

    def __add__(self, other):
        return self


@pytest.mark.parametrize("T", [1, 7, 8, 200])
@pytest.mark.parametrize("name", ["rnn", "min_gru", "lru"])
def test_the_cost_is_that_of_numbers_that_count(name, T):
    """The scans run on numbers that count their products, in an order of their own; the walk is a loop on such."""
    tape, loss, wrt = recorded(name, T, 2, 1, 2)
    found = bptt.scan_gradient(tape, loss, wrt)
    ways = dict(zip(("walk", "scan", "lean"), found.cost.ways, strict=True))
    if T == 1:
        assert all((way.work, way.depth, way.held) == (0, 0, 0) for way in ways.values())
        return
    (chain,), (b,) = found.chains, found.added
    A, b = (np.frompyfunc(Counted, 1, 1)(x) for x in chain.pairs(b))
    Counted.products, g = 0, b[0]
    for k in range(1, T):
        g = (A[k] * g if A.ndim == b.ndim else (A[k] @ g[..., None])[..., 0]) + b[k]
    assert (ways["walk"].work, ways["walk"].depth) == (Counted.products, T - 1)
    assert ways["scan"].held == ways["lean"].held == A.size + b.size
    assert ways["walk"].held == 2 * g.size
    for name_, order in (("scan", rounds), ("lean", lean_rounds)):
        Counted.products, depth, pairs = 0, 0, (A, b)
        for i, j in order(T):
            pairs, depth = joined(*pairs, i, j), depth + 1
        assert (ways[name_].work, ways[name_].depth) == (Counted.products, depth)


@pytest.mark.parametrize("T", [1, 2, 3, 5, 8, 13])
def test_the_rounds_are_those_of_sklansky(T):
    """Each place holds an interval that ends there; what it takes in ends just before."""
    begins = list(range(T))
    count = 0
    for i, j in rounds(T):
        before = list(begins)
        for place, other in zip(i.tolist(), j.tolist(), strict=True):
            assert other == before[place] - 1
            begins[place] = before[other]
        count += 1
    assert begins == [0] * T
    assert count == int(np.ceil(np.log2(T)))


@pytest.mark.parametrize("T", [1, 2, 3, 5, 7, 8, 13, 64, 200])
def test_the_lean_rounds_make_all_prefixes_with_few_products(T):
    """Played on intervals: a block takes in the one that ends just before it, and at last all begin at 0."""
    begins, count, depth = list(range(T)), 0, 0
    for i, j in lean_rounds(T):
        before = list(begins)
        assert not {*i.tolist()} & {*j.tolist()}
        for place, other in zip(i.tolist(), j.tolist(), strict=True):
            assert other == before[place] - 1
            begins[place] = before[other]
        count, depth = count + len(i), depth + 1
    assert begins == [0] * T
    assert count <= max(2 * T - 2 - np.log2(T), 0)
    assert depth <= max(2 * np.log2(T), 0) + 1


def test_the_lean_scan_gives_the_same_prefixes():
    rng = np.random.default_rng(0)
    A, b = rng.standard_normal((7, 2, 3, 3)), rng.standard_normal((7, 2, 3))
    expected = prefixes(A, b)
    for products in lean_rounds(7):
        A, b = joined(A, b, *products)
    np.testing.assert_allclose(A, expected[0], rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(b, expected[1], rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("T", [1, 2, 3, 5, 8, 13])
def test_the_prefixes_are_those_of_the_loop(T):
    rng = np.random.default_rng(T)
    A, b, s = rng.standard_normal((T, 2, 3, 3)), rng.standard_normal((T, 2, 3)), np.zeros((2, 3))
    products, states = prefixes(A, b)
    P = np.eye(3)
    for t in range(T):
        P, s = A[t] @ P, (A[t] @ s[..., None])[..., 0] + b[t]
        np.testing.assert_allclose(products[t], P, rtol=1e-12, atol=1e-12)
        np.testing.assert_allclose(states[t], s, rtol=1e-12, atol=1e-12)


def test_the_tree_is_drawn_for_a_slide(tmp_path):
    tape, loss, wrt = recorded("rnn", 8, 1, 3, 2)
    found = bptt.scan_gradient(tape, loss, wrt)
    path = found.draw(tmp_path / "scan.svg")
    drawn = ET.parse(path).getroot()
    namespace = "{http://www.w3.org/2000/svg}"
    assert (drawn.get("width"), drawn.get("height")) == ("1920", "1080")
    # 7 arrows of the walk; in each of 3 rounds a line down for each of 8 steps, and 4 products from the side
    assert len(drawn.findall(f"{namespace}path")) == 7 + 3 * (8 + 4)
    boxes = drawn.findall(f"{namespace}g")
    assert len(boxes) == 8 + 4 * 8
    names = ["".join(box.find(f"{namespace}text").itertext()) for box in boxes]
    assert names[:9] == [f"g{k}" for k in range(7, -1, -1)] + ["g7"]
    assert names[-16:-8] == ["g7", "g6", "g5", "g4", "3", "2–3", "1–3", "0–3"]
    kept = Path(__file__).parents[3] / "docs" / "images" / "scan.svg"
    assert found.svg() == path.read_text(encoding="utf-8") == kept.read_text(encoding="utf-8")
    sizes = [float(e.get("font-size")) for e in drawn.iter() if e.get("font-size")]
    assert min(sizes) >= 24 * 0.75  # 24 pixels of 1920 are 18 points of a slide
    assert "<img" in found._repr_html_()
    with tg.speak("zh"):
        assert "第 1 轮：同时 4 次乘积" in found.svg()
    with pytest.raises(ValueError, match=r"does not end in \.svg"):
        found.draw(tmp_path / "scan.png")
    tape, loss, wrt = recorded("rnn", 17, 1, 1, 1)
    longer = bptt.scan_gradient(tape, loss, wrt)
    assert "<img" not in longer._repr_html_()
    with pytest.raises(ValueError, match="draw at most 16"):
        longer.svg()
