"""`-` for the standard streams, formats by the ending of a file, and results as JSON."""

import io
import json
import os
import sys

import numpy as np
import pytest
from test_chosen_cell import FILE as OWN

from tinygrad_rnn import bptt, cli, files, nn
from tinygrad_rnn.commands import streams
from tinygrad_rnn.plain_values import plain

SMALL = ("--steps", "5", "--hidden", "2")
TRUNCATE = ("truncate", "--cell", "rnn", *SMALL, "--draws", "2")
WRITING = {
    "derive": ("derive", "--cell", "rnn"),
    "derive as html": ("derive", "--cell", "rnn", "--to", "html"),
    "draw": ("draw", "--engine", "grid", *SMALL),
    "draw as dot": ("draw", *SMALL, "--to", "dot"),
    "play": ("play", *SMALL),
}
ENDINGS = {"derive": "txt", "derive as html": "html", "draw": "svg", "draw as dot": "dot", "play": "html"}


@pytest.fixture
def own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own.py").write_text(OWN, encoding="utf-8")
    return tmp_path


def strict(text):
    """Read JSON as the standard has it, without Python's NaN and Infinity."""

    def refused(word):
        raise ValueError(f"{word} is no JSON")

    return json.loads(text, parse_constant=refused)


@pytest.mark.parametrize("name", [pytest.param(n, marks=pytest.mark.slow if n == "play" else ()) for n in WRITING])
def test_the_standard_output_gets_the_bytes_of_the_file_and_nothing_else(name, own, capfdbinary):
    assert cli.main([*WRITING[name], "-o", f"x.{ENDINGS[name]}"]) == 0
    said = capfdbinary.readouterr().out
    assert said.startswith(f"wrote x.{ENDINGS[name]}".encode())
    assert cli.main([*WRITING[name], "-o", "-"]) == 0
    found = capfdbinary.readouterr()
    assert found.out == (own / f"x.{ENDINGS[name]}").read_bytes()
    assert found.err == b""
    assert sorted(os.listdir(own)) == ["own.py", f"x.{ENDINGS[name]}"]


@pytest.mark.slow
@pytest.mark.parametrize("command", ["flow", "truncate"])
def test_a_command_that_prints_gives_way_to_its_picture(command, own, capfdbinary):
    if command == "flow":
        pytest.importorskip("matplotlib", reason="the figure of flow needs the extra `plot`")
    words = TRUNCATE if command == "truncate" else ("flow", "--cells", "rnn", *SMALL)
    assert cli.main([*words, "-o", "x.svg"]) == 0
    assert len(capfdbinary.readouterr().out.splitlines()) > 10
    assert cli.main([*words, "-o", "-"]) == 0
    assert capfdbinary.readouterr().out == (own / "x.svg").read_bytes()


@pytest.mark.needs_dot
@pytest.mark.slow
def test_bytes_that_are_no_text_go_into_a_pipe_and_never_onto_a_terminal(own, capfdbinary, monkeypatch):
    words = ["draw", *SMALL, "-o", "-", "--to", "png"]
    assert cli.main(words) == 0
    found = capfdbinary.readouterr().out
    assert found.startswith(b"\x89PNG")
    assert found.endswith(b"IEND\xaeB`\x82")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    assert cli.main(words) == 2
    found = capfdbinary.readouterr()
    assert (found.out, found.err.decode().splitlines()[-1]) == (b"", "put it into a file: -o FILE, or > FILE")


def test_a_failure_leaves_the_standard_output_empty(own, capfd, monkeypatch):
    def fails(*_, **__):
        raise RuntimeError("half of it\nis no picture")

    monkeypatch.setattr("tinygrad_rnn.draw.rendering.svg", fails)
    assert cli.main(["draw", "--engine", "grid", "-o", "-"]) == 2
    assert capfd.readouterr().out == ""


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("derive", "--cell", "rnn", "-o", "x.pdf"), "write .html, and print it as PDF in a browser"),
        (("derive", "--cell", "rnn", "-o", "x.pdf", "--to", "latex"), "write .html, and print it as PDF in a browser"),
        (("play", "-o", "x.pdf"), "write .html, and print it as PDF in a browser"),
        ((*TRUNCATE, "-o", "x.pdf"), "write .svg, and print it as PDF in a browser"),
        (("derive", "--cell", "rnn", "-o", "x.doc"), "'x.doc' ends in none of .tex, .md, .py, .html, .htm, .txt"),
        (("derive", "--cell", "rnn", "--to", "html", "-o", "x.tex"), "--to html, but 'x.tex' says latex"),
        (("derive", "--cell", "rnn", "--to", "html", "-o", "x.tex"), "give a name that ends in .html"),
        (("draw", "--to", "dot", "-o", "x.svg"), "draw: --to dot, but 'x.svg' says svg"),
        (("derive", "--cell", "rnn", "--blank", "1", "-o", "x.py", "--answers", "y.md"), "--to numpy, but 'y.md' says"),
        (("derive", "--cell", "rnn", "--blank", "1", "--answers", "-"), "two results onto the standard output"),
        (("derive", "--cell", "rnn", "--steps", "2", "-o", "x.py"), "leave them out for NumPy code"),
        (("flow", "--cells", "rnn", *SMALL, "-o", "-", "--json", "-"), "two results onto the standard output"),
        ((*TRUNCATE, "-o", "x.svg", "--json", "x.svg"), "are the same file"),
        (("draw", "--ascii", "-o", "-"), "two results onto the standard output"),
        (("compare", "--json", "none/x.json"), "none/x.json: there is no folder "),
        (("train", "--text", "-", "--out", "run"), "put the text into a file"),
    ],
)
def test_what_cannot_be_written_is_told_before_the_work(arguments, words, own, capsys):
    assert cli.main([*arguments]) == 2
    found = capsys.readouterr()
    assert found.out == ""
    assert words in found.err
    assert len(found.err.splitlines()) == 2
    assert os.listdir(own) == ["own.py"]


@pytest.mark.parametrize(
    ("name", "begins"),
    [
        ("x.tex", r"\documentclass"),
        ("x.TEX", r"\documentclass"),
        ("x.md", "# BPTT of rnn"),
        ("x.py", '"""'),
        ("x.html", "<!"),
        ("x.htm", "<!"),
        ("x.txt", "BPTT of rnn"),
        ("x", "BPTT of rnn"),
    ],
)
def test_the_ending_says_in_which_format_a_derivation_is_written(name, begins, own, capsys):
    assert cli.main(["derive", "--cell", "rnn", "-o", name]) == 0
    found = (own / name).read_text(encoding="utf-8")
    assert found.startswith(begins)
    to = {"tex": "latex", "md": "markdown", "py": "numpy", "html": "html", "htm": "html"}
    kind = to.get(name.lower().partition(".")[2], "text")
    assert found == bptt.derive(nn.rnn).write(kind)
    assert cli.main(["derive", "--cell", "rnn", "-o", name, "--to", kind]) == 0
    assert (own / name).read_text(encoding="utf-8") == found


def test_a_picture_as_text_is_the_text_of_the_screen(own, capsys):
    words = ["draw", "--cell", "rnn", *SMALL]
    assert cli.main([*words, "--ascii", "-o", "x.txt"]) == 0
    printed = capsys.readouterr().out
    assert printed == (own / "x.txt").read_text(encoding="utf-8") + "wrote x.txt\n"


# ---------------------------------------------------------------------------------------------- what is read


@pytest.mark.slow
@pytest.mark.parametrize("arguments", [TRUNCATE, ("demo", "--out", "out")], ids=["truncate", "demo"])
def test_a_text_comes_from_the_standard_input(arguments, own, capsys, monkeypatch):
    text = "so it will be convenient to speak of him " * 4
    files.write(own / "book.txt", text)
    found = []
    for given in ("book.txt", "-"):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
        assert cli.main([*arguments, "--text", given]) == 0
        found.append(capsys.readouterr().out.partition("kilobytes")[0])
    assert found[0] == found[1]


def test_a_standard_input_that_is_no_text_or_closed_is_told(own, capsys, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"na\xefve")))
    assert cli.main([*TRUNCATE, "--text", "-"]) == 2
    assert "standard input: not UTF-8 text (byte 2 is 0xef)\nsave it as UTF-8" in capsys.readouterr().err
    monkeypatch.setattr(sys, "stdin", None)
    assert cli.main([*TRUNCATE, "--text", "-"]) == 2
    assert "the standard input is closed\ngive the path of a text file" in capsys.readouterr().err


# ---------------------------------------------------------------------------------------------- JSON


JSON = {
    "comparison": ("compare", "--cell", "own.py:cell", "--steps", "2"),
    "diagnosis": ("doctor", "own.py:by_hand", "--cell", "cell"),
    "flows": ("flow", "--cells", "rnn,own.py:cell", "--steps", "5"),
    "truncation": TRUNCATE,
}


@pytest.mark.parametrize("kind", [pytest.param(k, marks=pytest.mark.slow if k == "truncation" else ()) for k in JSON])
def test_a_result_as_json_in_a_file_beside_the_words_and_in_their_place(kind, own, capsys):
    assert cli.main([*JSON[kind]]) == 0
    words = capsys.readouterr().out
    assert cli.main([*JSON[kind], "--json", "found.json"]) == 0
    beside = capsys.readouterr().out
    assert cli.main([*JSON[kind], "--json", "-"]) == 0
    alone = capsys.readouterr().out
    found, printed = strict((own / "found.json").read_text(encoding="utf-8")), strict(alone)
    assert found["kind"] == kind
    if kind == "truncation":  # seconds and memory are measured
        for way in (*found["ways"], *printed["ways"]):
            del way["seconds"], way["peak_bytes"]
    else:
        assert beside == f"{words}wrote found.json\n"
    assert found == printed


@pytest.mark.slow
def test_a_wrong_derivation_has_its_status_and_its_json(own, capsys):
    (own / "own.py").write_text(OWN.replace("hs[t].T @ z", "hs[t + 1].T @ z"), encoding="utf-8")
    assert cli.main(["doctor", "own.py:by_hand", "--cell", "cell", "--json", "-"]) == 1
    found = strict(capsys.readouterr().out)
    assert (found["right"], found["gradients"]["U"]["right"], found["gradients"]["W"]["right"]) == (False, False, True)
    assert "h[t]" in found["mistakes"][0]


def test_the_numbers_of_a_flow_are_those_of_python(own, capsys):
    assert cli.main(["flow", "--cells", "rnn", "--steps", "6", "--hidden", "3", "--json", "-"]) == 0
    found = strict(capsys.readouterr().out)["cells"]["rnn"]
    rng = np.random.default_rng(0)
    params = nn.init.rnn(rng, 4, 3)
    flow = bptt.flow(nn.rnn, params, rng.standard_normal((6, 3, 4)), seed=0, rows=0)
    assert found["norms"] == list(flow.norms)
    assert found["terms"] == {name: list(term) for name, term in flow.terms.items()}
    assert found["verdict"] == flow.verdict()
    assert found["steps"] == 6


def test_zero_infinity_and_nan_are_json():
    def dead(params, x, h):
        return params["u"] * h * 0

    flow = bptt.flow(dead, {"u": np.ones(1)}, np.zeros((3, 1, 1)), np.ones((1, 1)))
    found = strict(json.dumps(flow.to_dict(), allow_nan=False))
    assert found["norms"][:2] == ["-Infinity", "-Infinity"]
    assert [float(x) for x in found["norms"]] == list(flow.norms)
    assert plain([np.inf, -np.inf, np.nan, np.float32(0.5), np.bool_(True), None, "x"]) == [
        "Infinity",
        "-Infinity",
        "NaN",
        0.5,
        True,
        None,
        "x",
    ]


@pytest.mark.slow
def test_the_ways_of_a_truncation_are_those_of_the_table(own, capsys):
    assert cli.main([*TRUNCATE, "--json", "found.json"]) == 0
    table = capsys.readouterr().out.partition("kilobytes\n")[2].splitlines()
    ways = strict((own / "found.json").read_text(encoding="utf-8"))["ways"]
    for line, way in zip(table, ways, strict=False):
        assert line[:38].rstrip() == way["name"]
        assert line[38:].split()[0] == f"{way['error']:.2g}"
    assert ways[0]["walks"] == [[0, 0, 5]]


@pytest.mark.slow
def test_a_training_and_a_benchmark_as_json(own, capfd):
    files.write(own / "book.txt", "so it will be convenient to speak of him " * 40)
    train = ["train", "--text", "book.txt", "--hidden", "4", "--window", "10", "--batch", "4", "--out", "run"]
    assert cli.main([*train, "--epochs", "2", "--json", "-"]) == 0
    found = strict(capfd.readouterr().out)
    assert (found["kind"], found["epochs"], found["settings"]["hidden"]) == ("training", 2, 4)
    log = (own / "run" / "log.csv").read_text(encoding="utf-8").splitlines()[1:]
    assert [f"{row['loss']:.6g}" for row in found["log"]] == [f"{float(line.split(',')[1]):.6g}" for line in log]
    bench = ["bench", "--cells", "rnn", "--sizes", "1:1:1:1", "--rounds", "1", "--json", "-"]
    assert cli.main(bench) == 0
    found = strict(capfd.readouterr().out)
    assert [row["cell"] for row in found["rows"]] == ["rnn"]


def test_words_are_said_unless_the_standard_output_is_taken(capsys):
    streams.tell("a", None, "x.json")
    streams.tell("b", None, "-")
    assert capsys.readouterr().out == "a\n"
