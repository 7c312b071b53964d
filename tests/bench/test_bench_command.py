"""The command `bench`: what it says of the machine, what it prints and writes, and what it refuses."""

import json

import make_benchmark
import numpy as np
import pytest

from tinygrad_rnn import cli
from tinygrad_rnn.bench import machine, results_table
from tinygrad_rnn.bench.problem import SIZES
from tinygrad_rnn.commands import benchmarking

FACTS = {
    "processor": "A processor",
    "cores": 4,
    "load": 0.1,
    "system": "A system",
    "python": "3.11.0",
    "numpy": "2.0.0",
    "blas": {"name": "scipy-openblas", "version": "0.3.27", "kernels": "Haswell", "threads": 2},
    "packages": {"torch": "2.4.0"},
}


def test_the_machine_is_described_and_a_busy_one_is_warned_of():
    said = machine.described(FACTS, 2)
    assert said == (
        "A processor, 4 cores, load 0.10, A system\n"
        "Python 3.11.0, NumPy 2.0.0 with scipy-openblas 0.3.27, kernels for Haswell, 2 threads, torch 2.4.0"
    )
    assert "stop the other programs" in machine.described(FACTS | {"load": 2.5}, 1)
    assert "load unknown" in machine.described(FACTS | {"load": None}, 1)
    other = {"name": "accelerate", "version": "", "kernels": None, "threads": None}
    assert machine.described(FACTS | {"blas": other}, 1).endswith("with accelerate, 1 thread, torch 2.4.0")
    assert "--coretype" in results_table.advice(FACTS["blas"], 1)
    assert "--coretype" not in results_table.advice(other, 1)


def test_this_machine_says_what_it_is():
    found = machine.facts(("numpy",))
    assert machine.facts(("there_is_no_such_package",))["packages"] == {
        "there_is_no_such_package": "of unknown version"
    }
    assert found["processor"]
    assert found["cores"] >= 1
    assert found["packages"] == {"numpy": np.__version__}
    json.dumps(found)
    assert machine.described(found, 1)


def test_threads_and_kernels_are_variables_of_the_measuring_process(monkeypatch):
    monkeypatch.setenv("XLA_FLAGS", "--some")
    one, two = machine.environment(1, "Haswell"), machine.environment(2, None)
    assert one["OMP_NUM_THREADS"] == one["OPENBLAS_NUM_THREADS"] == one["MKL_NUM_THREADS"] == "1"
    assert one["OPENBLAS_CORETYPE"] == "Haswell"
    assert one["XLA_FLAGS"].startswith("--some ")
    assert two["OPENBLAS_NUM_THREADS"] == "2"
    assert "OPENBLAS_CORETYPE" not in two
    assert "XLA_FLAGS" not in two


@pytest.mark.slow
def test_bench_prints_machine_table_and_advice_and_writes_json(tmp_path, capfd):
    path = tmp_path / "times.json"
    quick = ["--sizes", "tiny,2:1:3:4", "--peers", "eager,expert,naive", "--rounds", "2", "--dtype", "float64,float32"]
    assert cli.main(["bench", *quick, "--cells", "lstm", "--json", str(path)]) == 0
    said = capfd.readouterr().out
    assert f"NumPy {np.__version__}" in said
    assert "  expert     NumPy by hand, for speed" in said
    assert "torch" not in said.split("One training step")[1].split("float64")[0]
    lines = [line.split() for line in said.splitlines() if line.startswith(("lstm ", "median  ", "float"))]
    assert lines[0] == ["float64", "T:B:I:H", "compiled", "eager", "expert", "naive"]
    assert [line[:3] for line in lines[1:3]] == [["lstm", "tiny", "8:4:4:5"], ["lstm", "2:1:3:4", lines[2][2]]]
    assert [len(line) for line in lines] == [6, 7, 6, 4] * 2
    assert all(float(number) > 0 for line in lines if line[0] == "lstm" for number in line[-4:])
    assert said.endswith(f"wrote {path}\n")
    kept = json.loads(path.read_text(encoding="utf-8"))
    assert kept["machine"]["numpy"] == np.__version__
    assert kept["settings"]["sizes"] == [["tiny", list(SIZES["tiny"])], ["2:1:3:4", [2, 1, 3, 4]]]
    assert [(row["dtype"], row["T"], row["rounds"]) for row in kept["rows"]] == [
        (dtype, steps, 2) for dtype in ("float64", "float32") for steps in (8, 2)
    ]
    for row in kept["rows"]:
        assert set(row["milliseconds"]) == set(row["ours_over_it"]) == {"compiled", "eager", "expert", "naive"}
        assert row["ours_over_it"]["compiled"] == 1.0


def test_kernels_that_openblas_did_not_take_are_refused():
    benchmarking._require_kernels(None, None)
    benchmarking._require_kernels("haswell", "Haswell")
    for asked, kernels, words in (("Haswell", "Zen", "runs its kernels for Zen"), ("Zen", None, "brings no kernels")):
        with pytest.raises(ValueError, match=words) as caught:
            benchmarking._require_kernels(asked, kernels)
        assert len(str(caught.value).splitlines()) == 2


def test_a_measuring_process_that_is_killed_is_an_error(monkeypatch, capsys):
    class Done:
        returncode = -4

    monkeypatch.setattr(benchmarking.subprocess, "run", lambda *_, **__: Done)
    assert cli.main(["bench", "--coretype", "SapphireRapids"]) == 2
    said = capsys.readouterr().err.splitlines()
    assert len(said) == 2
    assert "SIGILL" in said[0]
    assert "--coretype SapphireRapids" in said[1]
    assert cli.main(["bench"]) == 2
    assert "--peers" in capsys.readouterr().err


def test_bench_says_what_is_wrong_with_its_arguments(tmp_path, capsys):
    for wrong, words in (
        (["--cells", "rnn,mgu"], "'mgu': choose from rnn, lstm, gru"),
        (["--sizes", "huge"], "'huge': choose from tiny, small, medium, large, or give T:B:I:H"),
        (["--sizes", "1:2:3"], "'1:2:3'"),
        (["--sizes", "1:2:3:0"], "'1:2:3:0'"),
        (["--dtype", "float16"], "'float16'"),
        (["--threads", "0"], "0 is not at least 1"),
        (["--seconds", "-1"], "not a positive number"),
        (["--peers", "keras"], "'keras': choose from eager, expert"),
    ):
        with pytest.raises(SystemExit) as left:
            cli.main(["bench", *wrong])
        assert left.value.code == 2
        assert words in capsys.readouterr().err
    assert cli.main(["bench", "--json", str(tmp_path / "nowhere" / "x.json")]) == 2
    assert "nowhere" in capsys.readouterr().err


def test_the_page_takes_its_table_from_what_the_command_wrote():
    row = {
        "cell": "rnn",
        "size": "tiny",
        "dtype": "float32",
        "milliseconds": {"compiled": 1.25, "expert": 2.5},
        "ours_over_it": {"compiled": 1.0, "expert": 0.5},
    }
    wrong = row | {"size": "small", "milliseconds": {}, "ours_over_it": {}}
    found = {"machine": FACTS, "settings": {"threads": 1, "peers": ["compiled", "expert"]}, "rows": [row, wrong]}
    page = make_benchmark.filled("before\n<!-- begin: x -->\nold\n<!-- end -->\nafter\n", [found])
    lines = page.splitlines()
    assert lines[:2] == ["before", "<!-- begin: x -->"]
    assert lines[2].startswith("A processor, 4 cores")
    assert lines[4:9] == [
        "| float32 | compiled, ms | expert |",
        "|---|---:|---:|",
        "| rnn tiny | 1.250 | 0.50 |",
        "| rnn small | - | - |",
        "| median | | 0.50 |",
    ]
    assert lines[-2:] == ["<!-- end -->", "after"]
    assert make_benchmark.filled(page, [found]) == page
    assert make_benchmark.PLACE.search(make_benchmark.PAGE.read_text(encoding="utf-8"))
