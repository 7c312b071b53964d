"""The player: its page against the tape, without a browser and in a real one."""

import base64
import hashlib
import json
import os
import re
import subprocess
import sys
from html.parser import HTMLParser

import cells
import numpy as np
import pytest

import tinygrad_rnn as tg
from tinygrad_rnn import bptt, cli, draw, nn
from tinygrad_rnn.draw import player, player_page
from tinygrad_rnn.draw.player_data import SMALL, film
from tinygrad_rnn.draw.shown_arrays import LARGE
from tinygrad_rnn.draw.style import THEMES, dark_for_light
from tinygrad_rnn.draw.svg import svg
from tinygrad_rnn.draw.views.picture import picture
from tinygrad_rnn.tape.steps import steps

CELLS = ["rnn", "residual_rnn", "lstm", "gru", "gru_textbook", "peephole_lstm", "mgu", "leaky_rnn"]
HOSTILE = [
    "<script>alert(1)</script>",
    "</script><script>hacked=1</script>",
    "\"'&:<!--",
    "🧠",
    "n" * 10_000,
    "\ud800x",
]


def recorded(cell="lstm", T=3, B=3, H=5, dtype="float64"):
    """A tape, and its loss."""
    return cells.recorded(cell, T, B, H, dtype)[:2]


class Page(HTMLParser):
    """The elements of a page, and what stands in its scripts and styles."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.attributes, self.inside, self._open = [], [], {"script": [], "style": [], "title": []}, None
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes.append(dict(attrs))
        self._open = tag if tag in self.inside else None
        if self._open:
            self.inside[tag].append("")

    def handle_endtag(self, tag):
        self._open = None

    def handle_data(self, data):
        if self._open:
            self.inside[self._open][-1] += data

    def data(self):
        return json.loads(self.inside["script"][0])


def written(tmp_path, tape, loss, **options):
    path = draw.play(tape, loss, tmp_path / "tape.html", **options)
    return Page(path.read_text(encoding="utf-8"))


def number(shown):
    return float(shown)  # "nan" and "inf" too


def agrees(data, which, values):
    """An array of the page is the corner that it shows of these values, with their norm and range."""
    shown, values = data["arrays"][which], np.asarray(values, np.float64)
    assert tuple(shown["shape"]) == values.shape
    rows = np.array([[number(v) for v in row] for row in shown["rows"]])
    whole = values.reshape(-1, values.shape[-1]) if values.ndim else values.reshape(1, 1)
    np.testing.assert_allclose(rows, whole[: rows.shape[0], : rows.shape[1]], rtol=6e-4, atol=0)
    np.testing.assert_allclose(number(shown["norm"]), np.linalg.norm(values), rtol=6e-4, atol=0)
    if rows.size < values.size:
        np.testing.assert_allclose([shown["from"], shown["to"]], [values.min(), values.max()], rtol=6e-4)


# ------------------------------------------------------------------------------------------------ numbers


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize(
    ("T", "B", "dtype"), [(1, 1, "float64"), (2, 3, "float32"), (3, 1, "float64"), (7, 3, "float64")]
)
def test_the_numbers_of_the_page_are_those_of_the_tape(cell, T, B, dtype, tmp_path):
    tape, loss = recorded(cell, T, B, dtype=dtype)
    data = written(tmp_path, tape, loss).data()
    assert len(data["entries"]) == len(tape)
    for entry, shown in zip(tape, data["entries"], strict=True):
        assert shown["op"] == entry.op.name
        agrees(data, shown["value"], entry.out.data)
    reached = [step["entry"] for step in data["back"]]
    assert reached == sorted(reached, reverse=True)
    cotangents = tape.gradient(loss, [tape[k].out for k in reached])
    for step, cotangent in zip(data["back"], cotangents, strict=True):
        agrees(data, step["cotangent"], cotangent)
    for step, shown in zip(tape.rewind(loss), data["back"], strict=True):
        for (_, product), about in zip(step.products, shown["products"], strict=True):
            if "[" not in about["name"]:  # of a part only the part is shown
                agrees(data, about["value"], product)
    leaves = tape.leaves()
    grown = {}
    for step in data["back"]:
        grown |= {-1 - p["to"]: p["total"] for p in step["products"] if p["to"] < 0}
    assert grown.keys() == {k for k, x in enumerate(leaves) if tape.gradient(loss, x).any() or k in grown}
    for k, total in grown.items():
        agrees(data, total, tape.gradient(loss, leaves[k]))


@pytest.mark.parametrize("cell", CELLS)
def test_a_rule_read_as_python_gives_the_product(cell):
    """The symbols are an expression in names that the page itself gives: they are computed with NumPy."""
    tape, loss = recorded(cell)
    data = film(tape, loss)
    gradients = dict(zip(range(len(tape)), tape.gradient(loss, [e.out for e in tape]), strict=True))
    known = {
        "sum": np.sum,
        "tanh": np.tanh,
        "sigmoid": lambda z: 1 / (1 + np.exp(-z)),
        "stack": lambda *a, axis: np.stack(a),
    }
    values = {e["name"]: tape[k].out.data for k, e in enumerate(data["entries"]) if "name" in e}
    values |= {leaf["name"]: x.data for leaf, x in zip(data["leaves"], tape.leaves(), strict=True)}
    values |= {f"x_{t}": values["x"][t] for t in range(len(values["x"]))}
    seen = 0

    def check(text, expected):
        nonlocal seen
        if "…" in text or "array" in text:
            return
        names = {}
        for name in sorted(values, key=len, reverse=True):
            if not name.isidentifier() and name in text:
                names[f"_{len(names)}"] = values[name]
                text = text.replace(name, f"_{len(names) - 1}")
        found = np.broadcast_to(eval(text, {}, known | values | names), expected.shape)
        np.testing.assert_allclose(found, expected, rtol=1e-11, atol=1e-14)
        seen += 1

    for k, entry in enumerate(data["entries"]):
        check(entry["rule"], tape[k].out.data)
    for step, about in zip(tape.rewind(loss), data["back"], strict=True):
        if "name" in data["entries"][step.index] or about["name"].startswith("d("):
            values[about["name"]] = gradients[step.index]
        else:  # the expression itself
            check(about["name"], gradients[step.index])
        for (_, product), shown in zip(step.products, about["products"], strict=True):
            place = (
                shown["name"].rpartition("[")[2].rstrip("]") if re.search(r"[^(]\[[^()]*\]$", shown["name"]) else "..."
            )
            check(shown["rule"], eval(f"a[{place}]", {}, {"a": product}))
    assert seen > 2 * len(tape) - 15


def test_rules_are_worded_as_on_paper():
    tape, loss = recorded("lstm", T=3)
    data = film(tape, loss)
    rules = {(p["name"], p["rule"]) for step in data["back"] for p in step["products"]}
    assert {
        ("df_2", "dc_2 * c_1"),
        ("dc_1", "dc_2 * f_2"),
        ("dz_f_2", "df_2 * f_2 * (1 - f_2)"),
        ("dz_g_2", "dg_2 * (1 - g_2**2)"),
        ("do_0", "dh_0 * tanh(c_0)"),
        ("dc_0", "dh_0 * o_0 * (1 - tanh(c_0)**2)"),
        ("dh_1", "dz_2 @ weight_hh"),
        ("dweight_hh", "dz_2.T @ h_1"),
        ("dbias_hh", "sum(dz_2, axis=0)"),
        ("dx[1]", "dz_1 @ weight_ih"),
        ("dweight_ih", "dz_0.T @ x_0"),
        ("dh_{-1}", "dz_0 @ weight_hh"),
    } <= rules
    statements = {e["name"]: e["rule"] for e in data["entries"] if "name" in e}
    assert statements["h_0"] == "o_0 * tanh(c_0)"
    assert statements["z_2"] == "x_2 @ weight_ih.T + bias_ih + h_1 @ weight_hh.T + bias_hh"
    assert statements["z_0"] == "x_0 @ weight_ih.T + bias_ih + h_{-1} @ weight_hh.T + bias_hh"


def test_steps_are_counted_from_where_they_are_asked_to():
    """As in the picture: from 1, and h_0 is the initial state and nothing else."""
    tape, loss = recorded("lstm", T=2)
    data = film(tape, loss, first_step=1)
    statements = {e["name"]: e["rule"] for e in data["entries"] if "name" in e}
    assert statements["z_1"] == "x_1 @ weight_ih.T + bias_ih + h_0 @ weight_hh.T + bias_hh"
    assert statements["z_2"] == "x_2 @ weight_ih.T + bias_ih + h_1 @ weight_hh.T + bias_hh"
    assert "h_0" not in statements
    assert {"h_0", "c_0"} <= {leaf["name"] for leaf in data["leaves"]}
    assert {e["t"] for e in data["entries"] if "t" in e} == {"1", "2"}
    assert {e["where"] for e in data["entries"] if e.get("gate") == "f"} == {"t=1 gate=f", "t=2 gate=f"}
    drawn = picture(tape, level="gates", first_step=1).boxes.values()
    assert {"h₀", "h₁", "h₂", "x₁", "x₂"} <= {box.title for box in drawn}
    with pytest.raises(ValueError, match="first_step=2"):
        draw.play(tape, loss, first_step=2)


@pytest.mark.parametrize("cell", CELLS)
def test_no_value_is_called_by_the_number_of_its_entry(cell):
    data = film(*recorded(cell))
    words = [e["rule"] for e in data["entries"]] + [step["name"] for step in data["back"]]
    words += [text for step in data["back"] for p in step["products"] for text in (p["name"], p["rule"])]
    assert not [text for text in words if re.search(r"\bd?v\d", text)]


def test_every_term_belongs_to_the_statement_that_reads_it():
    tape, loss = recorded("lstm")
    entries = film(tape, loss)["entries"]
    for k, entry in enumerate(entries):
        if "head" in entry:
            head = entries[entry["head"]]
            assert entry["head"] > k
            assert entry["rule"] in head["rule"] or entry["rule"].startswith("x[")  # it is x_0 there
            assert "name" in head


def test_values_without_names_that_are_read_twice_get_letters_of_their_step():
    """The same letters as in the derivation: of W x + b_ih and of U h + b_hh, whose parts the gates read."""
    data = film(*recorded("gru"))
    statements = {e["name"]: e["rule"] for e in data["entries"] if "name" in e}
    assert statements["a_2"] == "x_2 @ weight_ih.T + bias_ih"
    assert statements["v_2"] == "h_1 @ weight_hh.T + bias_hh"
    assert statements["z_r_2"] == "a_2[:, 0:5] + v_2[:, 0:5]"


def test_a_long_expression_is_broken_into_statements():
    x = tg.Tensor([0.5], name="x")
    with tg.Tape() as tape:
        y = x
        for k in range(30):
            y = np.tanh(y * (k + 2.0))
        loss = y.sum()
    data = film(tape, loss)
    assert max(len(e["rule"]) for e in data["entries"]) < 120
    assert [e["name"] for e in data["entries"] if "name" in e][:2] == ["a", "v"]
    assert data["entries"][-1]["name"] == "L"
    sent = [p["rule"] for step in data["back"] for p in step["products"]]
    assert max(map(len, sent)) < 160


def test_the_lines_of_a_derivation_stand_at_what_they_describe():
    tape, loss = recorded("lstm")
    lines = bptt.derive(nn.lstm).lines_by_name()
    data = film(tape, loss, lines=lines)
    said = {e["name"]: data["paper"][e["line"]] for e in data["entries"] if "line" in e}
    assert said["c_2"] == "c_t = f_t ⊙ c_{t-1} + i_t ⊙ g_t"
    assert said["z_0"] == "z_t = W x_t + b_{ih} + U h_{t-1} + b_{hh}"
    sent = {(p["name"], data["paper"][p["line"]]) for step in data["back"] for p in step["products"] if "line" in p}
    assert ("dweight_hh", "∂L/∂U = Σ_t δ_t h_{t-1}ᵀ") in sent
    assert ("dbias_hh", "∂L/∂b_{ih} = ∂L/∂b_{hh} = Σ_t δ_t") in sent
    assert ("dz_f_1", "δ_{f,t} = dc_t ⊙ c_{t-1} ⊙ f_t ⊙ (1 - f_t)") in sent
    assert not [
        name for name, _ in sent if name in ("dh_{-1}", "dc_{-1}")
    ]  # their lines speak of another count of steps
    assert film(tape, loss)["paper"] == []


@pytest.mark.parametrize("cell", CELLS)
def test_the_boxes_of_the_gates_are_those_of_the_picture(cell):
    tape, loss = recorded(cell)
    drawn = picture(tape, level="gates").boxes
    boxes = [e["box"] for e in film(tape, loss)["entries"]]
    for box in drawn.values():
        if box.id == f"v{box.entries[-1]}":
            assert {boxes[k] for k in box.entries} == {box.entries[-1]}
    assert {f"v{last}" for last in boxes} <= drawn.keys()


def test_a_rule_says_a_reshape_that_matters_and_no_other():
    x, w = tg.Tensor(np.ones((2, 3, 4)), name="x"), tg.Tensor(np.ones((4, 5)), name="w")
    with tg.Tape() as tape:
        loss = (x @ w).mean()
    rules = {p["name"]: p["rule"] for step in film(tape, loss)["back"] for p in step["products"]}
    assert re.fullmatch(r"reshape\(x, \(6, 4\)\)\.T @ reshape\(dL \* 0\.0333\d*, \(6, 5\)\)", rules["dw"])
    assert re.fullmatch(r"dL \* 0\.0333\d*", rules["d(x @ w)"])


def test_squares_and_powers_are_written_as_such():
    x = tg.Tensor([0.5, -2.0], name="x")
    with tg.Tape() as tape:
        loss = (np.tanh(x) ** 3 + (x - 1.0) * (x - 1.0) + x**-2.0).sum() + (y := x + 3.0) @ y
    data = film(tape, loss)
    rules = [e["rule"] for e in data["entries"]]
    assert {"tanh(x)**3", "x**(-2)"} <= set(rules)
    with tg.Tape() as tape:
        e = tg.named("e", x - 1.0)
        loss = (e * e).sum()
    data = film(tape, loss)
    assert data["entries"][-1]["rule"] == "sum(e**2)"
    sent = [p["rule"] for step in data["back"] for p in step["products"]]
    assert sent == ["dL", "dL * e", "dL * e", "de"]
    with tg.Tape() as tape:
        e = x - 1.0
        loss = (e * e).sum()
    sent = [p for step in film(tape, loss)["back"] for p in step["products"]]
    assert (sent[-1]["rule"], sent[-1]["numbers"]) == ("2 * dL * (x - 1)", "2 * 1 * -0.5")


def test_the_numbers_of_a_rule_give_its_first_entry():
    tape, loss = recorded("lstm")
    data = film(tape, loss)
    known = {"tanh": np.tanh, "sigmoid": lambda z: 1 / (1 + np.exp(-z))}
    shown = [(e["numbers"], e["value"]) for e in data["entries"]]
    shown += [(p["numbers"], p["value"]) for step in data["back"] for p in step["products"]]
    computed = [(eval(text, {}, known), which) for text, which in shown if "…" not in text]
    assert len(computed) > 100
    for found, which in computed:
        first = data["arrays"][which]["rows"][0][0]
        assert abs(found - first) < 2e-3 * max(abs(first), 0.01)


def test_what_comes_through_a_node_is_the_gradient_by_its_step_alone():
    tape, loss = recorded("lstm", T=3)
    data = film(tape, loss)
    leaves = tape.leaves()
    found = 0
    for numbers in steps(tape).values():
        part = tape.part(numbers)
        for k in numbers:
            out = tape[k].out
            norms = {n: np.linalg.norm(part.gradient(out, x, tape.gradient(loss, out))) for n, x in enumerate(leaves)}
            adds = dict(data["entries"][k]["adds"])
            assert adds.keys() == {n for n, norm in norms.items() if norm}
            found += len(adds)
            np.testing.assert_allclose(list(adds.values()), [norms[n] for n in adds], rtol=6e-4)
    assert found > 100


def test_values_are_called_by_name_step_and_layer():
    rng = np.random.default_rng(0)
    layer = nn.LSTM(3, 2, num_layers=2, bidirectional=True)
    with tg.Tape() as tape:
        output, _ = layer(layer.init(rng), rng.standard_normal((2, 1, 3)))
        loss = output.sum()
    data = film(tape, loss)
    names = [e["name"] for e in data["entries"] if "name" in e]
    assert len(set(names)) == len(names)
    assert {"h_1{layer=0 direction=forward}", "c_0{layer=1 direction=reverse}"} <= set(names)
    assert {"weight_hh_l1_reverse", "h_{-1}#1", "h_{-1}#2"} <= {leaf["name"] for leaf in data["leaves"]}
    assert any(e["rule"].startswith("sigmoid(z_f_1") for e in data["entries"])


@pytest.mark.parametrize(("steps_", "most"), [(3, LARGE), (20, SMALL)])
def test_large_arrays_are_a_corner(steps_, most):
    tape, loss = recorded("lstm", T=steps_, H=16)
    data = film(tape, loss)
    assert max(sum(map(len, a["rows"])) for a in data["arrays"]) <= most
    assert any(np.prod(a["shape"]) > 500 for a in data["arrays"])


def test_the_first_nan_is_found_forward_and_backward():
    x = tg.Tensor([4.0, 0.0], name="x")
    with np.errstate(all="ignore"):
        with tg.Tape() as tape:
            y = (np.log(x * 2) * 3).sum()
        data = film(tape, y)
        assert data["broken"] == 2  # x * 2, then the logarithm
        assert data["arrays"][data["entries"][1]["value"]]["rows"] == [[2.079, "-inf"]]
        assert data["arrays"][data["entries"][1]["value"]]["broken"] == 1
        with tg.Tape() as tape:
            y = np.sqrt(x * 2).sum()
        data = film(tape, y)
        assert data["broken"] == 3 + 2  # every value is finite; the root's derivative is not
    assert film(*recorded())["broken"] is None


def test_norms_are_right_at_any_size():
    x = tg.Tensor([3e200, 4e200], name="x")
    with tg.Tape() as tape:
        y = (x * 1e-200).sum()
    data = film(tape, y)
    assert data["arrays"][data["leaves"][0]["value"]]["norm"] == 5e200


def test_several_results_and_seeds():
    tape, _ = recorded("rnn", T=2)
    h = [tape.find("h", t=t) for t in range(2)]
    seeds = {x: np.full(x.shape, 2.0) for x in h}
    data = film(tape, seeds)
    W = next(k for k, x in enumerate(tape.leaves()) if x.name == "weight_hh")
    totals = [p["total"] for step in data["back"] for p in step["products"] if p["to"] == -1 - W]
    agrees(data, totals[-1], tape.gradient(seeds, tape.leaves()[W]))


def test_a_cotangent_that_is_passed_on_keeps_its_name_and_no_other_gets_it():
    x = tg.Tensor([0.5, 2.0], name="x")
    with tg.Tape() as tape:
        for _ in range(30):
            x = tg.named("s", (x + 1.0) + (x - 1.0))
        loss = tg.named("L", x.sum())
    named = {step["entry"]: step["name"] for step in film(tape, loss)["back"]}
    for k, entry in enumerate(tape):
        if entry.out.name is None:  # one of the two terms of the sum after it
            later = min(n for n in range(k, len(tape)) if tape[n].out.name)
            assert named[k] == named[later]
    assert len(set(named.values())) == 31


def test_a_hook_changes_what_is_shown():
    tape, loss = recorded("rnn", T=3)
    tape.hook(lambda entry, g: 0 * g, "h", t=1)
    data = film(tape, loss)
    totals = {-1 - p["to"]: p["total"] for step in data["back"] for p in step["products"] if p["to"] < 0}
    for k, x in enumerate(tape.leaves()):
        agrees(data, totals[k], tape.gradient(loss, x))


def test_integers_and_constants_have_no_gradient():
    E, k = tg.Tensor(np.eye(3), name="E"), tg.Tensor([0, 2], name="k")
    with tg.Tape() as tape:
        y = (E[k] * np.array([[1.0], [2.0]])).sum()
    data = film(tape, y)
    assert [leaf.get("fixed", False) for leaf in data["leaves"]] == [False, True]
    assert {p["to"] for step in data["back"] for p in step["products"]} == {1, 0, -1}


def test_playing_records_nothing_on_an_open_tape(tmp_path):
    tape, loss = recorded("rnn", T=1)
    with tg.Tape() as outer:
        draw.play(tape, loss, tmp_path / "a.html")
    assert len(outer) == 0


# ------------------------------------------------------------------------------------------------ the page


@pytest.mark.slow
def test_the_same_tape_gives_the_same_bytes_in_another_process(tmp_path):
    pages = []
    for seed in "12":
        command = [sys.executable, "-m", "tinygrad_rnn", "play", "--cell", "gru", "-o", str(tmp_path / f"{seed}.html")]
        done = subprocess.run(
            command, capture_output=True, text=True, env={**os.environ, "PYTHONHASHSEED": seed}, check=True
        )
        assert done.stdout.startswith("wrote ")
        pages.append((tmp_path / f"{seed}.html").read_bytes())
    assert pages[0] == pages[1]
    assert b"\r" not in pages[0]


def test_the_page_lets_nothing_in_but_what_it_was_written_with(tmp_path):
    page = written(tmp_path, *recorded())
    policy = next(a["content"] for a in page.attributes if a.get("http-equiv") == "Content-Security-Policy")
    assert policy.startswith("default-src 'none'; ")
    for kind, text in (("script-src", page.inside["script"][1]), ("style-src", page.inside["style"][0])):
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{kind} 'sha256-{digest}';" in policy
    assert "unsafe" not in policy
    assert len(page.inside["script"]) == 2
    assert len(page.inside["style"]) == 1
    attributes = {name for each in page.attributes for name in each}
    assert not {a for a in attributes if a.startswith("on") or a in ("style", "src", "href")}
    text = (tmp_path / "tape.html").read_text(encoding="utf-8")
    assert set(re.findall(r"https?://[^\s\"']+", text)) == {"http://www.w3.org/2000/svg"}


def test_the_script_writes_text_and_never_markup():
    script = "".join(map(player_page.read, {name for kind in player_page.SCRIPTS.values() for name in kind}))
    for word in (
        "innerHTML",
        "outerHTML",
        "insertAdjacent",
        "document.write",
        "eval(",
        "Function(",
        "fetch",
        "import(",
    ):
        assert word not in script


def test_hostile_names_stay_text(tmp_path):
    x = tg.Tensor(0.5, name=HOSTILE[0])
    with tg.Tape() as tape:
        for t, name in enumerate(HOSTILE):
            with tg.scope(t=name if t % 2 else t, gate=name):
                x = tg.named(name, np.tanh(x))
    page = written(tmp_path, tape, x, title=f"{HOSTILE[1]} \udfff $data")
    assert page.tags.count("script") == 2
    assert page.inside["title"][0] == f"{HOSTILE[1]} ? $data"
    data = page.data()
    assert data["leaves"][0]["name"] == HOSTILE[0]
    assert data["entries"][4]["name"].startswith("nnnn")
    assert all(len(e["name"]) < 130 and len(e["where"]) <= 100 for e in data["entries"])
    assert data["entries"][5]["name"].encode("utf-8", "surrogatepass").startswith(b"\xed\xa0\x80x")
    assert "$policy" not in (tmp_path / "tape.html").read_text(encoding="utf-8")


def test_the_picture_is_in_the_page_with_the_ids_of_the_tape(tmp_path):
    tape, loss = recorded("lstm", T=3)
    page = written(tmp_path, tape, loss)
    ids = {a["id"] for a in page.attributes if "id" in a}
    assert f"v{len(tape) - 1}" in ids
    assert {"svg", "noscript"} <= set(page.tags)
    assert len(ids) == len([a for a in page.attributes if "id" in a])  # none twice


@pytest.mark.slow
def test_a_page_of_two_thousand_nodes_is_small(tmp_path):
    tape, loss = recorded("lstm", T=95)
    assert len(tape) > 1990
    path = draw.play(tape, loss, tmp_path / "a.html")
    assert path.stat().st_size < 3_500_000  # both pictures


def test_lines_of_code_are_shown_without_folders(tmp_path):
    tape, loss = recorded("rnn", T=1)
    data = written(tmp_path, tape, loss).data()
    assert data["entries"][-1]["code"].startswith("cells.py:")


def test_bad_requests_are_refused_and_leave_no_file(tmp_path):
    tape, loss = recorded("rnn", T=2)
    with pytest.raises(ValueError, match=r"'a.svg' ends in none of .html, .htm\n"):
        draw.play(tape, loss, tmp_path / "a.svg")
    with pytest.raises(ValueError, match="the tape is empty"):
        draw.play(tg.Tape(), loss, tmp_path / "a.html")
    with pytest.raises(ValueError, match="was not made on this tape"):
        draw.play(tape, tg.Tensor(1.0), tmp_path / "a.html")
    with pytest.raises(ValueError, match="not a scalar"):
        draw.play(tape, tape.find("h", t=0), tmp_path / "a.html")
    long, x = tg.Tape(), tg.Tensor(1.0)
    with long:
        for _ in range(player.MOST + 1):
            x = -x
    with pytest.raises(ValueError, match=r"the tape has 10,001 entries, and a page can hold 10,000\n"):
        draw.play(long, x, tmp_path / "a.html")
    assert not list(tmp_path.iterdir())


def test_the_command_plays_a_cell(tmp_path, capsys):
    assert cli.main(["play", "--cell", "lstm", "--steps", "1", "--batch", "1", "-o", str(tmp_path / "a.html")]) == 0
    assert "a.html" in capsys.readouterr().out
    assert cli.main(["play", "-o", str(tmp_path / "a.png")]) == 2
    assert "ends in none of .html" in capsys.readouterr().err


# ------------------------------------------------------------------------------------------------ in a browser


def table(page, selector):
    rows = page.locator(f"{selector} tr").all()
    return np.array([[float(text) for text in row.locator("td").all_inner_texts()] for row in rows])


@pytest.mark.slow
@pytest.mark.needs_chromium
def test_keys_and_scrubber_move_forward_and_then_backward(opened, tmp_path):
    tape, loss = recorded("lstm", T=2)
    N = len(tape)
    with opened(draw.play(tape, loss, tmp_path / "a.html", level="ops")) as page:
        where = page.locator("#play-position")
        assert where.inner_text() == "at the start"
        page.keyboard.press("ArrowRight")
        page.keyboard.press("ArrowRight")
        assert where.inner_text() == f"forward 2 of {N}"
        page.keyboard.press("ArrowLeft")
        assert where.inner_text() == f"forward 1 of {N}"
        page.keyboard.press("End")
        assert where.inner_text() == f"backward {N} of {N}"
        assert page.evaluate("location.hash") == f"#{2 * N}"
        page.keyboard.press("Home")
        page.locator("#play-slider").fill(str(N + 1))
        assert where.inner_text() == f"backward 1 of {N}"
        assert "Backward, sum" in page.locator("#play-now").inner_text()
        page.locator("#play-step").select_option("1")
        assert "step 1" in page.locator("#play-now").inner_text()
        page.locator("#play-gate").select_option("f")
        assert "dL/dz_f_1 receives df_1 * f_1 * (1 - f_1)" in page.locator("#play-now").inner_text()
        page.keyboard.press("Escape")
        page.locator("h1").click()
        page.locator("#play-speed").select_option("200")
        page.locator("#play-toggle").click()
        page.locator("#play-position", has_text=f"backward {N} of").wait_for()
        assert page.locator("#play-toggle").inner_text() == "Play"


@pytest.mark.needs_chromium
def test_the_numbers_on_the_screen_are_those_of_the_tape(opened, tmp_path):
    tape, loss = recorded("lstm", T=1, B=1, H=2)
    back = list(tape.rewind(loss))
    with opened(draw.play(tape, loss, tmp_path / "a.html", level="ops"), "#1") as page:
        for k in range(len(tape)):
            if tape[k].out.ndim < 3:
                shown = table(page, "#play-now")
                np.testing.assert_allclose(shown, np.atleast_2d(tape[k].out.data), rtol=6e-4)
            page.keyboard.press("ArrowRight")
        for step in back:
            if step.cotangent.ndim < 3:
                shown = table(page, "#play-now > .given")
                np.testing.assert_allclose(shown, np.atleast_2d(step.cotangent), rtol=6e-4)
            page.keyboard.press("ArrowRight")
        for summary in page.locator("#play-sums summary").all():
            summary.click()
        for k, x in enumerate(tape.leaves()):
            if x.ndim < 3:
                shown = table(page, f".sum:nth-of-type({k + 1})")
                np.testing.assert_allclose(shown, np.atleast_2d(tape.gradient(loss, x)), rtol=6e-4)


@pytest.mark.needs_chromium
def test_a_node_can_be_clicked_and_tapped(opened, tmp_path):
    tape, loss = recorded("lstm", T=2)
    f = [k for k, e in enumerate(tape) if e.out.name == "f"][1]
    path = draw.play(tape, loss, tmp_path / "a.html", level="ops")
    phone = {"viewport": {"width": 390, "height": 800}, "has_touch": True, "is_mobile": True}
    for context, press in (({}, "click"), (phone, "tap")):
        with opened(path, f"#{2 * len(tape)}", **context) as page:
            getattr(page.locator(f"#v{f}"), press)()
            said = page.locator("#play-node").inner_text()
            assert "Selected: f_1" in said
            assert "f_1 = sigmoid(z_f_1)" in said
            assert "cells.py:" in said
            assert "dL/dweight_hh" in said
            assert "picked" in page.locator(f"#v{f}").get_attribute("class")
            page.keyboard.press("Escape")
            assert "Selected" not in page.locator("#play-node").inner_text()
            assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


@pytest.mark.needs_chromium
def test_the_picture_can_be_zoomed_and_moved(opened, tmp_path):
    with opened(draw.play(*recorded("lstm", T=7), tmp_path / "a.html", level="ops")) as page:
        box = page.locator("#v2 > rect")
        before = box.bounding_box()
        page.keyboard.press("+")
        assert box.bounding_box()["width"] > 1.2 * before["width"]
        frame = page.locator("#play-graph").bounding_box()
        page.mouse.move(frame["x"] + 400, frame["y"] + 200)
        here = box.bounding_box()["x"]
        page.mouse.down()
        page.mouse.move(frame["x"] + 250, frame["y"] + 200)
        page.mouse.up()
        assert abs(box.bounding_box()["x"] - (here - 150)) < 2
        page.mouse.wheel(0, -200)
        page.evaluate("new Promise(done => { (function look() { scale > 1.1 ? done() : setTimeout(look) })() })")
        page.keyboard.press("0")
        svg = page.locator("#play-graph svg:visible").bounding_box()
        assert svg["width"] <= frame["width"] + 1


@pytest.mark.slow
@pytest.mark.needs_chromium
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_on_a_screen_is_not_blank(opened, tmp_path, scheme):
    with opened(draw.play(*recorded(), tmp_path / "a.html"), "#70", color_scheme=scheme) as page:
        assert len(page.screenshot()) > 60_000  # a blank one is under 6 kB
        assert len(page.locator("#play-graph").screenshot()) > 20_000
        before = page.evaluate("scale")
        page.locator("#play-in").click()  # fails where something covers it
        assert page.evaluate("scale") > before


@pytest.mark.needs_chromium
def test_without_scripts_the_picture_is_there(opened, tmp_path):
    with opened(draw.play(*recorded(), tmp_path / "a.html"), java_script_enabled=False) as page:
        assert "Scripts are off" in page.locator("header").inner_text()
        assert page.locator("#gv12").is_visible()
        assert not page.locator("#v12").is_visible()
        assert not page.locator("#play-slider").is_visible()
        assert len(page.screenshot()) > 30_000


@pytest.mark.needs_chromium
def test_hostile_names_are_text_on_the_screen(opened, tmp_path):
    x = tg.Tensor(0.5, name="x")
    with tg.Tape() as tape:
        for t, name in enumerate(HOSTILE):
            with tg.scope(t=t, gate=name):
                x = tg.named(name, np.tanh(x))
    with opened(draw.play(tape, x, tmp_path / "a.html", title=HOSTILE[1])) as page:
        for k in range(2 * len(HOSTILE)):
            page.keyboard.press("ArrowRight")
            said = page.locator("#play-now").inner_text()
            if k < 4:
                assert f"{HOSTILE[k]}_{k} = tanh(" in said.replace("\n", "")
        assert page.locator("h1").inner_text() == HOSTILE[1]
        assert page.evaluate("document.scripts.length") == 2
        assert page.evaluate("typeof hacked") == "undefined"


@pytest.mark.needs_chromium
def test_the_first_nan_is_one_press_away(opened, tmp_path):
    with np.errstate(all="ignore"):
        y = tg.Tensor([4.0, 0.0], name="x")
        with tg.Tape() as tape:
            loss = np.log(y * 2).sum()
        path = draw.play(tape, loss, tmp_path / "a.html")
    with opened(path) as page:
        page.locator("#play-broken").click()
        assert page.locator("#play-position").inner_text() == "forward 2 of 3"
        assert "1 not finite" in page.locator("#play-now").inner_text()
        assert "-inf" in page.locator("#play-now td").all_inner_texts()


def test_every_colour_of_the_light_picture_has_one_in_the_dark():
    """Of a page that has both: no colour is left light, and none stands for two."""
    light, dark = (THEMES[name] for name in ("light", "dark"))
    tables = dark_for_light()
    for kind, look in light.styles.items():
        assert tables["fill"][look.fill] == dark.styles[kind].fill
        assert tables["stroke"][look.border] == dark.styles[kind].border
    for level in player.LEVELS:
        drawing = svg(picture(recorded()[0], level=level))
        for attribute, table in tables.items():
            used = set(re.findall(rf'{attribute}="(#[0-9a-f]{{6}})"', drawing))
            assert used
            assert used <= set(table)


def test_a_negative_number_is_negated_in_brackets():
    a = tg.Tensor([2.0, 1.0], name="a")
    with tg.Tape() as tape:
        loss = (-(a * -3.0)).sum()
    shown = json.dumps(film(tape, loss))
    assert "--" not in shown
    assert "-(-6)" in shown
