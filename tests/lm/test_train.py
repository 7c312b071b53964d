"""The language model: it learns, a stopped run goes on to the same numbers, files are whole, errors are clear."""

import csv
import dataclasses
import hashlib
import io
import json
import os
import re
import signal
import subprocess
import sys
import urllib.error
import xml.etree.ElementTree as ET
from functools import partial

import numpy as np
import pytest

from tinygrad_rnn.cli import main
from tinygrad_rnn.lm import corpus, curve, text, train
from tinygrad_rnn.lm.language_model import SYMBOLS, Model

PHRASE = "the time traveller for so it will be convenient to speak of him was expounding a recondite matter to us "


@pytest.fixture
def book(tmp_path):
    path = tmp_path / "book.txt"
    path.write_text(PHRASE * 12, encoding="utf-8")
    return path


def settings(book, **changes):
    small = {"hidden": 12, "window": 10, "batch": 4, "epochs": 3, "optimizer": "adam", "rate": 0.02, "seed": 3}
    return train.Settings(text=str(book), **{**small, **changes})


# ---------------------------------------------------------------------------------------------- streams


def test_streams_follow_each_other_and_targets_are_the_next_characters():
    letters = PHRASE * 3
    windows = text.streams(letters, batch=2, window=5, offset=3)
    length = (len(letters) - 3 - 1) // 2
    assert windows.shape == (length // 5, 6, 2)
    for b in range(2):
        stream = letters[3 + b * length :]
        for k, window in enumerate(windows):
            assert "".join(text.ALPHABET[i] for i in window[:, b]) == stream[5 * k : 5 * k + 6]
    with pytest.raises(ValueError, match="20 characters are too few for 4 streams of windows of 10\ngive a text of at"):
        text.streams(PHRASE[:20], 4, 10)


# ---------------------------------------------------------------------------------------------- the model


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
def test_the_state_is_carried_so_that_windows_make_one_text(cell):
    model = Model(cell, 7, layers=2)
    params = {k: p.data for k, p in model.init(np.random.default_rng(0), np.float64).items()}
    ids = text.indices(PHRASE[:41])[:, None]
    whole, _ = model.scores(params, ids[:40], None)
    state, parts = None, []
    for k in range(0, 40, 10):
        scores, state = model.scores(params, ids[k : k + 10], state)
        parts.append(scores)
    np.testing.assert_allclose(np.concatenate(parts), whole, rtol=1e-12, atol=1e-14)
    p = np.exp(whole) / np.exp(whole).sum(axis=-1, keepdims=True)
    expected = np.exp(-np.mean(np.log(p[np.arange(40), 0, ids[1:, 0]])))
    windows = np.array([ids[k : k + 11] for k in range(0, 40, 10)])
    assert model.perplexity(params, windows) == pytest.approx(expected, rel=1e-12)


def test_samples_are_decided_by_the_seed_and_the_temperature():
    model = Model("gru", 7)
    params = model.init(np.random.default_rng(0))
    one = model.sample(params, "time", 30, 1.0, seed=1)
    assert one.startswith("time")
    assert len(one) == 34
    assert set(one) <= set(text.ALPHABET)
    assert one == model.sample(params, "time", 30, 1.0, seed=1)
    assert one != model.sample(params, "time", 30, 1.0, seed=2)
    assert model.sample(params, "time", 30, 0.0, seed=1) == model.sample(params, "time", 30, 0.0, seed=2)
    with pytest.raises(ValueError, match="does not know: '3' 'T'"):
        model.sample(params, "T3", 5)
    with pytest.raises(ValueError, match="an empty prompt"):
        model.sample(params, "", 5)
    with pytest.raises(ValueError, match="temperature -1"):
        model.sample(params, "a", 5, -1)
    assert SYMBOLS == 28


# ---------------------------------------------------------------------------------------------- training


def test_it_learns_and_writes_its_files(book, tmp_path):
    out = tmp_path / "run"
    done = train.train(settings(book, epochs=12, validate=0.1), out)
    assert sorted(p.name for p in out.iterdir()) == ["checkpoint.npz", "curve.svg", "log.csv", "samples.txt"]
    rows = list(csv.DictReader(io.StringIO((out / "log.csv").read_text(encoding="utf-8"))))
    assert len(rows) == 12
    perplexity = [float(row["perplexity"]) for row in rows]
    assert perplexity[-1] < 0.6 * perplexity[0]
    assert perplexity[0] == pytest.approx(np.exp(float(rows[0]["loss"])))
    assert float(rows[-1]["validation_perplexity"]) > 1
    drawing = ET.fromstring((out / "curve.svg").read_text(encoding="utf-8"))
    assert len(drawing.findall("{http://www.w3.org/2000/svg}polyline")) == 2
    assert "time traveller" in (out / "samples.txt").read_text(encoding="utf-8")
    kept, progress = train.load(out)
    assert kept == settings(book, epochs=12, validate=0.1, alphabet="letters", embedding=0)
    assert progress.epoch == 12
    for name, p in done.params.items():
        np.testing.assert_array_equal(progress.params[name].data, p.data)


@pytest.fixture(scope="module", params=["sgd", "adam"])
def whole_run(request, tmp_path_factory):
    """The settings of a run, and what it learns when nothing stops it."""
    folder = tmp_path_factory.mktemp(request.param)
    (folder / "book.txt").write_text(PHRASE * 12, encoding="utf-8")
    chosen = settings(folder / "book.txt", layers=2, dropout=0.3, optimizer=request.param, rate=0.05)
    return chosen, train.train(chosen, folder / "whole")


@pytest.mark.slow
@pytest.mark.parametrize("stop", [1, 17, 29, 31])
def test_a_stopped_run_goes_on_to_the_same_numbers(whole_run, tmp_path, stop):
    chosen, whole = whole_run
    seen = []

    def interrupt(*_):
        seen.append(1)
        if len(seen) == stop:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train.train(chosen, tmp_path / "cut", watch=interrupt)
    kept, progress = train.load(tmp_path / "cut")
    resumed = train.train(kept, tmp_path / "cut", progress)
    for name, p in whole.params.items():
        np.testing.assert_array_equal(resumed.params[name].data, p.data)
    keys = ("epoch", "loss", "perplexity", "largest_norm")
    assert [[row[k] for k in keys] for row in resumed.log] == [[row[k] for k in keys] for row in whole.log]


@pytest.mark.slow
def test_a_longer_run_goes_on_from_a_finished_one(book, tmp_path):
    whole = train.train(settings(book, epochs=4), tmp_path / "whole")
    train.train(settings(book, epochs=2), tmp_path / "short")
    assert main(["train", "--resume", "--epochs", "4", "--out", str(tmp_path / "short")]) == 0
    _, progress = train.load(tmp_path / "short")
    for name, p in whole.params.items():
        np.testing.assert_array_equal(progress.params[name].data, p.data)


# ---------------------------------------------------------------------------------------------- the command line


def test_train_and_sample_from_the_command_line(book, tmp_path, capsys):
    out = tmp_path / "run"
    command = ["train", "--text", str(book), "--cell", "lstm", "--hidden", "8", "--window", "10", "--batch", "4"]
    assert main([*command, "--epochs", "1", "--out", str(out)]) == 0
    said = capsys.readouterr()
    assert said.out.startswith("epoch 1: perplexity ")
    assert said.err == ""  # no line of progress where nobody looks
    assert main(["sample", "--from", str(out), "--prompt", "the ", "--length", "20"]) == 0
    assert len(capsys.readouterr().out.rstrip("\n")) == 24
    assert main(["sample", "--from", str(out), "--prompt", "The"]) == 2
    assert "does not know: 'T'" in capsys.readouterr().err
    assert main(["sample", "--from", str(tmp_path)]) == 2
    assert "no checkpoint.npz in this folder" in capsys.readouterr().err


def test_the_line_of_progress(monkeypatch, book, tmp_path, capsys):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    command = ["train", "--text", str(book), "--hidden", "8", "--window", "10", "--batch", "4", "--epochs", "2"]
    assert main([*command, "--out", str(tmp_path / "run")]) == 0
    *lines, wiped, end = capsys.readouterr().err.split("\r")
    line = lines[-1]
    assert wiped.isspace()
    assert not end
    for part in ("epoch 2/2", "loss ", "perplexity ", "|g| ", "characters/s", "0:00:00 left"):
        assert part in line


def test_an_interrupted_command_says_how_to_go_on(monkeypatch, book, tmp_path, capsys):
    def stopped(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(train, "_after_window", stopped)
    command = ["train", "--text", str(book), "--hidden", "4", "--window", "10", "--batch", "4", "--epochs", "3"]
    assert main([*command, "--out", str(tmp_path / "my run")]) == 130
    assert (
        f"go on with: tinygrad-rnn train --resume --epochs 3 --out '{tmp_path / 'my run'}'" in capsys.readouterr().out
    )
    assert main([*command, "--batch", "1000", "--out", str(tmp_path / "none")]) == 2
    monkeypatch.setattr(corpus, "load", stopped)
    assert main([*command, "--out", str(tmp_path / "none")]) == 130
    assert capsys.readouterr().out == ""  # there is nothing to go on with
    assert not (tmp_path / "none").exists()


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="Windows sends its own kind of interrupt")
def test_a_real_interrupt_leaves_a_checkpoint_that_samples_and_resumes(book, tmp_path):
    out = tmp_path / "run"
    command = [sys.executable, "-m", "tinygrad_rnn", "train", "--text", str(book), "--hidden", "8", "--window", "10"]
    command += ["--batch", "4", "--epochs", "100000", "--out", str(out)]
    # Where the tests themselves run in the background, a shell has them ignore interrupts, and their children too.
    listens = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    with subprocess.Popen(command, preexec_fn=listens, **pipes) as run:
        try:
            while not (out / "log.csv").exists():  # an epoch is done
                assert run.poll() is None, run.stdout.read()
            run.send_signal(signal.SIGINT)
            said = run.communicate(timeout=60)[0]
        finally:
            run.kill()
    assert run.returncode == 130
    assert "stopped; go on with: tinygrad-rnn train --resume" in said
    kept, progress = train.load(out)
    assert progress.epoch >= 1
    assert main(["sample", "--from", str(out), "--length", "5"]) == 0
    again = train.train(dataclasses.replace(kept, epochs=progress.epoch + 1), out, progress)
    assert again.epoch == progress.epoch + 1


def test_wrong_input_is_an_error_and_nothing_is_half_written(book, tmp_path, monkeypatch, capsys):
    def refused(words, *arguments):
        assert main(["train", "--out", str(tmp_path / "run"), *arguments]) == 2
        assert words in capsys.readouterr().err

    empty = tmp_path / "empty.txt"
    empty.write_text("1234 !", encoding="utf-8")
    refused("a text without letters", "--text", str(empty))
    refused("characters are too few", "--text", str(book), "--batch", "1000")
    refused("there is no such file", "--text", str(tmp_path / "none.txt"))
    assert not (tmp_path / "run").exists()
    (tmp_path / "file").write_text("x", encoding="utf-8")
    assert main(["train", "--text", str(book), "--out", str(tmp_path / "file")]) == 2
    capsys.readouterr()

    out = tmp_path / "full"
    done = train.train(settings(book, epochs=1), out)
    before = (out / "checkpoint.npz").read_bytes()

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", full)
    assert main(["train", "--resume", "--epochs", "2", "--out", str(out)]) == 2
    assert "No space left on device" in capsys.readouterr().err
    assert (out / "checkpoint.npz").read_bytes() == before
    assert sorted(p.name for p in out.iterdir()) == ["checkpoint.npz", "curve.svg", "log.csv", "samples.txt"]
    assert done.epoch == 1


def test_a_broken_checkpoint_is_said_to_be_broken(book, tmp_path):
    out = tmp_path / "run"
    train.train(settings(book, epochs=1), out)
    path = out / "checkpoint.npz"
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(ValueError, match="not a whole file of parameters"):
        train.load(out)
    np.savez(path, w=np.ones(3))
    with pytest.raises(ValueError, match="no checkpoint of a language model"):
        train.load(out)


def test_a_checkpoint_with_nan_is_told(book, tmp_path, capsys):
    out = tmp_path / "run"
    train.train(settings(book, epochs=1), out=out)
    given, progress = train.load(out)
    weight = progress.params["head.weight"].data.copy()
    weight[0, 0] = np.nan
    train.save(out, given, dataclasses.replace(progress, params={**progress.params, "head.weight": weight}))
    with pytest.raises(ValueError, match=r"checkpoint\.npz: head\.weight: NaN or infinity among the entries\nthe run"):
        train.load(out)
    assert main(["sample", "--from", str(out)]) == 2
    assert "NaN or infinity" in capsys.readouterr().err


# ---------------------------------------------------------------------------------------------- the corpus


def test_the_time_machine_is_fetched_once_and_checked(tmp_path, monkeypatch):
    content = PHRASE.encode()
    asked = []

    def answer(address, timeout):
        asked.append(address)
        return io.BytesIO(content)

    monkeypatch.setattr("urllib.request.urlopen", answer)
    with pytest.raises(OSError, match=r"is not the text \(sha1 .*\)\ntry again, or pass a text of your own"):
        corpus.time_machine(tmp_path)
    assert not list(tmp_path.iterdir())
    monkeypatch.setattr(corpus, "TIME_MACHINE_SHA1", hashlib.sha1(content).hexdigest())
    assert corpus.time_machine(tmp_path).read_bytes() == content
    assert corpus.time_machine(tmp_path).read_bytes() == content
    assert len(asked) == 2
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert corpus.load("timemachine", 8) == PHRASE[:8]


def test_without_a_network_the_error_says_how_to_pass_a_file(tmp_path, monkeypatch):
    def fails(address, timeout):
        raise urllib.error.URLError("no route to host")

    monkeypatch.setattr("urllib.request.urlopen", fails)
    with pytest.raises(OSError, match=r"cannot be fetched .*no route to host.*\npass a text of your own: --text FILE"):
        corpus.time_machine(tmp_path)


# ---------------------------------------------------------------------------------------------- the curve


def test_a_curve_of_odd_values_is_a_drawing():
    for series in ({}, {"a": []}, {"a": [3.0]}, {"a": [float("nan"), 2.0, float("inf"), 1.0]}, {"<b>&": [2.0, 1.0]}):
        ET.fromstring(curve.svg("a <title> & more", series))
    assert curve.svg("t", {"a": [5.0, 2.0]}) == curve.svg("t", {"a": [5.0, 2.0]})


def test_the_axis_of_a_curve_has_round_numbers_and_over_many_decades_powers_of_ten():
    def marks(values):
        return re.findall(r'text-anchor="end">([^<]*)<', curve.svg("t", {"a": values}))

    assert marks([6.0, 1.9]) == ["2", "3", "5"]
    assert marks([1e6, 1.0]) == ["1", "10", "100", "1000", "10000", "100000", "1e+06"]
    assert marks([24.7, 20.8]) == ["20", "22", "24", "26"]
    for scale in (1e-12, 1.0, 3.0, 7e9, 1e20):
        for ratio in (1.0, 1.05, 1.2, 1.5, 2.0, 10.0, 1e3):
            assert 3 <= len(marks([scale * ratio, scale])) < 10
            assert len(set(marks([scale * ratio, scale]))) == len(marks([scale * ratio, scale]))
    assert marks([1e-18, 1.0]) == ["1e-18", "1e-15", "1e-12", "1e-09", "1e-06", "0.001", "1"]


def test_the_name_of_a_curve_stands_at_its_end_and_names_of_near_ends_apart():
    def heights(*ends):
        drawn = curve.svg("t", {f"c{k}": [end] for k, end in enumerate(ends)})
        dots = [float(y) for y in re.findall(r'cy="([^"]*)"', drawn)]
        return dots, [float(y) for y in re.findall(r'y="([^"]*)" fill="[^"]*">c\d', drawn)]

    for ends in ((24.7, 20.8), (9.0, 3.0, 1.0)):
        dots, names = heights(*ends)
        assert names == pytest.approx([y + 4 for y in dots], abs=0.1)
    for ends in ((2.0, 2.0), (2.0, 2.0, 2.0, 2.0), (2.0, 2.01, 5.0)):
        _, names = heights(*ends)
        assert all(abs(a - b) >= 13.9 for k, a in enumerate(names) for b in names[:k])


# ---------------------------------------------------------------------------------------------- what must not happen


def test_settings_that_no_run_can_have_are_refused_before_anything_is_written(book, tmp_path, capsys):
    for arguments, words in (
        (["--rate", "-1"], "rate -1.0"),
        (["--rate", "nan"], "rate nan"),
        (["--clip", "0"], "clip 0.0"),
        (["--clip", "nan"], "clip nan"),
        (["--validate", "1.5"], "validate 1.5"),
        (["--validate", "nan"], "validate nan"),
        (["--dropout", "-1", "--layers", "2"], "dropout -1.0"),
        (["--dropout", "0.5"], "more than 1 for dropout"),
        (["--prompt", "Hello!"], "does not know"),
        (["--prompt", ""], "at least one character"),
    ):
        assert main(["train", "--text", str(book), "--out", str(tmp_path / "run"), *arguments]) == 2
        assert words in capsys.readouterr().err
        assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_a_run_is_not_overwritten_nor_changed_by_mistake(book, tmp_path, capsys):
    out = tmp_path / "run"
    train.train(settings(book, epochs=2), out)
    before = (out / "checkpoint.npz").read_bytes()

    def refused(words, *arguments):
        assert main(["train", "--out", str(out), *arguments]) == 2
        assert words in capsys.readouterr().err
        assert (out / "checkpoint.npz").read_bytes() == before

    refused("holds a run", "--text", str(book))
    refused("--rate\na run goes on as it began", "--resume", "--rate", "5")
    refused("2 of 2 epochs done already", "--resume")
    whole = book.read_text(encoding="utf-8")
    book.write_text(whole.replace("time", "tame"), encoding="utf-8")
    refused("is not the text that this run began with", "--resume", "--epochs", "3")
    book.write_text(whole, encoding="utf-8")
    assert main(["train", "--resume", "--epochs", "3", "--prompt", "so it", "--out", str(out)]) == 0
    assert "so it" in (out / "samples.txt").read_text(encoding="utf-8")
    assert main(["train", "--text", str(book), "--epochs", "1", "--overwrite", "--batch", "4", "--out", str(out)]) == 0
    assert train.load(out)[1].epoch == 1
    with pytest.raises(ValueError, match="temperature nan"):
        Model("gru", 3).sample({}, "a", 1, float("nan"))


# ---------------------------------------------------------------------------------------------- compiled


@pytest.mark.slow
@pytest.mark.parametrize("changes", [{"cell": "rnn"}, {"cell": "lstm", "layers": 2}, {"cell": "gru"}], ids=str)
def test_compiled_it_learns_what_it_learns_recorded(book, tmp_path, changes):
    logs = [
        train.train(settings(book, eager=eager, validate=0.1, **changes), tmp_path / str(eager)).log
        for eager in (True, False)
    ]
    for recorded, compiled in zip(*logs, strict=True):
        for key in ("loss", "largest_norm", "validation_perplexity"):
            assert compiled[key] == pytest.approx(recorded[key], rel=1e-4), key


def test_with_dropout_it_is_recorded(book, tmp_path):
    masks = settings(book, layers=2, dropout=0.5, epochs=1)
    rows = [train.train(dataclasses.replace(masks, eager=e), tmp_path / str(e)).log[0] for e in (True, False)]
    assert rows[0]["loss"] == rows[1]["loss"]  # to the last bit


def test_the_command_can_record_every_step_anew(book, tmp_path):
    assert main(["train", "--text", str(book), "--hidden", "5", "--epochs", "1", "--window", "10", "--batch", "4",
                 "--eager", "--out", str(tmp_path / "run")]) == 0  # fmt: skip
    assert train.load(tmp_path / "run")[0].eager


# ---------------------------------------------------------------------------------------------- nothing is lost


def test_a_second_run_in_a_folder_refuses(book, tmp_path, capsys):
    out = tmp_path / "run"
    seen = []

    def second(*_):
        if not seen:
            seen.append(main(["train", "--resume", "--epochs", "9", "--out", str(out)]))
            with pytest.raises(BlockingIOError, match="another run writes into this folder"):
                train.train(settings(book), out)

    train.train(settings(book, epochs=1), out, watch=second)
    assert seen == [2]
    assert "another run writes into this folder\nwait until it ends" in capsys.readouterr().err
    assert main(["train", "--resume", "--epochs", "2", "--out", str(out)]) == 0


@pytest.mark.parametrize("name", [train.LOG, train.CURVE, train.SAMPLES])
def test_a_run_that_was_stopped_while_its_log_was_written_writes_it_when_it_is_resumed(
    book, tmp_path, monkeypatch, name
):
    out, write, command = tmp_path / "run", train.files.write, ["train", "--resume", "--epochs", "2", "--out"]
    train.train(settings(book, epochs=1), out)

    def stopped(path, content):
        if path.name == name:
            raise KeyboardInterrupt
        return write(path, content)

    monkeypatch.setattr(train.files, "write", stopped)
    assert main([*command, str(out)]) == 130
    monkeypatch.undo()
    assert main([*command, str(out)]) == 0
    assert len((out / "log.csv").read_text(encoding="utf-8").splitlines()) == 3
    assert (out / "samples.txt").read_text(encoding="utf-8").startswith("after epoch 2\n")
    assert main([*command, str(out)]) == 2  # nothing is missing


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda plain, arrays: [arrays.pop(k) for k in list(arrays) if k.startswith("params")], "KeyError"),
        (lambda plain, arrays: arrays.pop("params/head.bias"), "head.bias"),
        (lambda plain, arrays: arrays.update({"params/head.bias": np.ones(3, np.float32)}), "head.bias is float32"),
        (lambda plain, arrays: plain["settings"].update(cell="x"), "cell 'x'"),
        (lambda plain, arrays: plain["settings"].update(optimizer="sgd"), "expected"),
        (lambda plain, arrays: plain["settings"].update(later=1), "later"),
        (lambda plain, arrays: plain["settings"].update(window=0), "window 0"),
        (lambda plain, arrays: plain["settings"].update(hidden="many"), "hidden 'many'"),
        (lambda plain, arrays: plain["progress"].update(log=[{"a": 1}]), "a log of 1 rows"),
        (lambda plain, arrays: plain["progress"].update(epoch=-1), "epoch -1"),
        (lambda plain, arrays: plain.pop("settings"), "settings"),
    ],
)
def test_a_checkpoint_that_was_changed_is_told_and_named(book, tmp_path, capsys, change, words):
    out = tmp_path / "run"
    train.train(settings(book, epochs=1), out)
    with np.load(out / "checkpoint.npz") as file:
        arrays = dict(file)
    plain = json.loads(arrays["plain"].tobytes())
    change(plain, arrays)
    arrays["plain"] = np.frombuffer(json.dumps(plain).encode(), np.uint8)
    np.savez(out / "checkpoint.npz", **arrays)
    for command in (["sample", "--from"], ["train", "--resume", "--epochs", "3", "--out"]):
        assert main([*command, str(out)]) == 2
        said = capsys.readouterr().err
        assert f"{out / 'checkpoint.npz'}: no checkpoint that can be read" in said
        assert words in said
        assert len(said.splitlines()) == 2


def test_a_run_that_diverges_says_so_and_a_model_that_diverged_writes_nothing(book, tmp_path, capsys):
    command = ["train", "--text", str(book), "--hidden", "8", "--window", "10", "--batch", "4", "--epochs", "2"]
    chosen = settings(book, epochs=1)
    lost = train.start(chosen)
    lost.params = {name: p.data * np.nan for name, p in lost.params.items()}
    lost.digest = hashlib.sha1(corpus.load(book).encode()).hexdigest()
    with pytest.raises(FloatingPointError, match=r"train: epoch 1, window 1: .*not finite\nthe run diverges: begin"):
        train.train(chosen, tmp_path / "run", lost)
    assert main([*command, "--rate", "1e30", "--out", str(tmp_path / "inf")]) == 0  # infinite, and no warning
    assert "perplexity inf" in capsys.readouterr().out
    assert "not finite" in (tmp_path / "inf" / "curve.svg").read_text(encoding="utf-8")
    model = Model("gru", 3)
    broken = {name: p.data * np.nan for name, p in model.init(np.random.default_rng(0)).items()}
    for temperature in (0.0, 1.0):
        with pytest.raises(ValueError, match=r"not finite: the model diverged\ntrain again"):
            model.sample(broken, "a", 1, temperature)
    assert model.sample(model.init(np.random.default_rng(0)), "a", 5, 1e-300).startswith("a")


def test_a_part_that_is_held_out_and_too_short_is_named(book, tmp_path, capsys):
    command = ["train", "--text", str(book), "--window", "10", "--batch", "4", "--out", str(tmp_path / "run")]
    assert main([*command, "--validate", "0.001"]) == 2
    assert "validate 0.001: of the text that is held out, 1 characters are too few" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_a_curve_shows_lone_values_and_counts_those_that_are_not_finite():
    inf, nan = float("inf"), float("nan")
    one = curve.svg("one epoch", {"training": [24.7], "validation": [20.8]})
    assert one.count("<circle") == 2
    none = curve.svg("diverged", {"training": [inf] * 3})
    assert "training: 3 of 3 values are not finite" in none
    assert 'text-anchor="end"' not in none  # no scale is made up
    broken = curve.svg("t", {"a": [3.0, 2.0, nan, 1.5, inf, 1.4, 1.3]})
    assert broken.count("<polyline") == 2
    assert broken.count("<circle") == 1
    assert "a: 2 of 7 values" in broken
