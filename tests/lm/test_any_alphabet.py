"""Training and writing in any alphabet: poems in Chinese, what a run keeps, and what it says."""

import json
import re

import numpy as np
import pytest

from tinygrad_rnn import files
from tinygrad_rnn.cli import main
from tinygrad_rnn.lm import corpus, train
from tinygrad_rnn.lm.alphabet import ONLY_LETTERS, Alphabet
from tinygrad_rnn.lm.language_model import Model

POEM = "日出山林静，\n风来竹影斜。\n小桥流水远，\n何处是人家。\n\n"
SMALL = ["--hidden", "8", "--window", "6", "--batch", "2", "--epochs", "1", "--optimizer", "adam", "--rate", "0.02"]


@pytest.fixture
def poems(tmp_path):
    path = tmp_path / "poems.txt"
    path.write_text(POEM * 8, encoding="utf-8")
    return path


def settings(poems, **changes):
    small = {"hidden": 12, "window": 6, "batch": 2, "epochs": 2, "optimizer": "adam", "rate": 0.02, "seed": 3}
    return train.Settings(str(poems), **{**small, **changes})


# ---------------------------------------------------------------------------------------------- the network


@pytest.mark.parametrize("cell", ["rnn", "lstm", "gru"])
def test_an_embedding_is_a_one_hot_character_times_its_matrix(cell):
    """With E the embedding and W the input weights, reading row k of E is reading one-hot k through W E^T."""
    alphabet, rng = Alphabet.of(POEM), np.random.default_rng(0)
    rows, hot = Model(cell, 5, alphabet=alphabet, embedding=4), Model(cell, 5, alphabet=alphabet)
    params = {name: p.data for name, p in rows.init(rng, np.float64).items()}
    same = {name: p for name, p in params.items() if name != "embedding.weight"}
    same["rnn.weight_ih_l0"] = params["rnn.weight_ih_l0"] @ params["embedding.weight"].T
    window = rng.integers(0, alphabet.size, (7, 3))
    loss, state = rows.loss(params, window, None)
    expected, last = hot.loss(same, window, None)
    assert float(loss) == pytest.approx(float(expected), rel=1e-12)
    np.testing.assert_allclose(state[0], last[0], rtol=1e-10, atol=1e-13)
    assert rows.perplexity(params, window[None]) == pytest.approx(np.exp(float(expected)), rel=1e-12)


def test_a_sample_ends_after_its_lines_and_reads_what_stands_before():
    model = Model("gru", 7, alphabet=Alphabet.of(POEM), embedding=3)
    params = model.init(np.random.default_rng(0), np.float64)
    whole = model.sample(params, "日", 200, 1.0, 5)
    assert set(whole) <= set(POEM)
    assert model.sample(params, "日", 200, 1.0, 5, lines=3) == "\n".join(whole.split("\n")[:3])
    assert model.sample(params, "日", 5, 1.0, 5, lines=99) == whole[:6]
    after = model.sample(params, "\n日", 50, 1.0, 5)
    assert model.sample(params, "日", 50, 1.0, 5, before="\n") == after[1:]
    assert after[1:] != whole[:51]
    biased = {**params, "head.bias": np.where(np.arange(model.alphabet.size) == model.alphabet.unknown, 1e3, 0.0)}
    assert set(model.sample(biased, "日", 50)) <= set(POEM)  # the unknown is never written


# ---------------------------------------------------------------------------------------------- the text


def test_a_run_decides_what_suits_its_text(poems, tmp_path):
    found = train.prepare(settings(poems)).settings
    assert (found.alphabet, found.embedding, found.symbols) == ("all", 64, Alphabet.of(POEM).characters)
    assert found.prompt == "日出山林静，"
    assert train.prepare(found).settings == found
    english = tmp_path / "book.txt"
    english.write_text("The Time Travellers, so, will be. " * 5, encoding="utf-8")
    found = train.prepare(settings(english)).settings
    assert (found.alphabet, found.embedding, found.symbols) == ("letters", 0, ONLY_LETTERS)
    assert train.prepare(settings(english)).words() == ""
    found = train.prepare(settings(english, alphabet="all", embedding=0)).settings
    assert (found.embedding, found.prompt) == (0, "The Time Tra")
    assert set(found.symbols) == set("The Time Travellers, so, will be. ")


def test_the_alphabet_is_that_of_the_training_part_alone(tmp_path):
    path = tmp_path / "poems.txt"
    path.write_text(POEM * 9 + "云中一只鸟，雁字几行书。\n日出山林静，\n", encoding="utf-8")
    prepared = train.prepare(settings(path, validate=0.1))
    assert not set("云中一只鸟雁字几行书") & set(prepared.settings.symbols)
    said = "held out: 20 characters, 10 of them unknown; lines that the training part has too: 1 of 2"
    assert prepared.words().splitlines()[1] == said
    assert prepared.facts()["held_out"] == {"characters": 20, "unknown": 10, "lines": 2, "repeated": 1}
    assert prepared.windows.max() == prepared.settings.model().alphabet.unknown
    prepared = train.prepare(settings(path, least=25))
    assert prepared.settings.symbols == "\n"
    with pytest.raises(ValueError, match="least 1000: no character occurs so often"):
        train.prepare(settings(path, least=1000))


def test_a_line_of_the_held_out_part_that_was_seen_is_counted(tmp_path):
    path = tmp_path / "poems.txt"
    path.write_text("白日依山尽，黄河入海流。\n" * 30 + "欲穷千里目，更上一层楼。\n", encoding="utf-8")
    assert train.prepare(settings(path, validate=0.1)).facts()["held_out"]["repeated"] == 2


def test_what_occurs_once_is_unknown_in_half_of_the_epochs(tmp_path):
    path = tmp_path / "poems.txt"
    path.write_text(POEM * 9 + "云中鸟\n\n" + POEM * 2, encoding="utf-8")
    prepared = train.prepare(settings(path, validate=0.1, window=4, batch=1))
    alphabet = prepared.settings.model().alphabet
    rare = set(alphabet.indices("云中鸟"))
    assert set(prepared.training[prepared.once]) == rare
    epochs = [prepared.streams(epoch) for epoch in range(40)]
    for found in epochs:
        common = {*range(alphabet.unknown)} - rare
        assert common <= set(found.ravel()) <= {*range(alphabet.size)}
    share = np.mean([np.isin(found, [*rare]).any(axis=1).sum() for found in epochs]) / 2
    assert 0.2 < share < 1.5  # of about one or two windows that hold the three
    assert any((found == alphabet.unknown).any() for found in epochs)
    np.testing.assert_array_equal(epochs[7], prepared.streams(7))  # a run that goes on reads the same
    for other in (settings(path), settings(path, validate=0.1, least=2)):
        assert train.prepare(other).once is None


# ---------------------------------------------------------------------------------------------- a run and its files


@pytest.mark.slow
def test_poems_are_learned_and_written_in_their_form(poems, tmp_path):
    out = tmp_path / "run"
    done = train.train(settings(poems, hidden=24, embedding=16, rate=0.05, epochs=5), out)
    assert done.log[-1]["perplexity"] < 0.7 * done.log[0]["perplexity"]
    kept, progress = train.load(out)
    assert kept == train.prepare(settings(poems, hidden=24, embedding=16, rate=0.05, epochs=5)).settings
    written = kept.model().sample(progress.params, "日", 100, 0.0, before=kept.before, lines=4)
    assert written.startswith("日出")
    assert "日出山林静，\n" in (out / "samples.txt").read_text(encoding="utf-8")


@pytest.mark.slow
def test_one_text_in_four_encodings_is_one_run(poems, tmp_path, capsys):
    whole, logs = poems.read_text(encoding="utf-8"), []
    changed = {
        "utf-8": whole.encode(),
        "utf-8-sig": whole.replace("\n", "\r\n").encode("utf-8-sig"),
        "gb18030": whole.replace("\n", "\r\n").encode("gb18030"),
        "utf-16": whole.encode("utf-16"),
    }
    for name, data in changed.items():
        poems.write_bytes(data)
        command = ["train", "--text", str(poems), *SMALL, "--out", str(tmp_path / name), "--json", "-"]
        assert main([*command, *(["--encoding", name] if name in ("gb18030", "utf-16") else [])]) == 0
        found = json.loads(capsys.readouterr().out)
        assert found["symbols"] == len(set(POEM)) + 1
        logs.append(found["log"][0]["loss"])
    assert len(set(logs)) == 1
    poems.write_bytes(changed["gb18030"])
    assert main(["train", "--text", str(poems), "--out", str(tmp_path / "none")]) == 2
    assert "it can be read as GB18030\nsave it as UTF-8, or say which" in capsys.readouterr().err
    assert main(["train", "--text", str(poems), "--out", str(tmp_path / "none"), "--encoding", "gb"]) == 2
    assert "no encoding 'gb'" in capsys.readouterr().err
    assert not (tmp_path / "none").exists()
    # The encoding is a part of the run: it goes on without being told it again.
    assert main(["train", "--resume", "--epochs", "2", "--out", str(tmp_path / "gb18030")]) == 0


def test_the_commands_say_what_they_keep_and_write_poems(poems, tmp_path, capsys):
    out = str(tmp_path / "run")
    assert main(["train", "--text", str(poems), *SMALL, "--out", out]) == 0
    assert capsys.readouterr().out.startswith("alphabet: 23 characters, each as it is (--alphabet all)\nepoch 1: perpl")
    assert main(["sample", "--from", out, "--prompt", "山", "--lines", "2", "--length", "300"]) == 0
    written = capsys.readouterr().out
    assert re.fullmatch(r"山[^\n]*\n[^\n]*\n", written)
    assert main(["sample", "--from", out, "--prompt", "山", "--lines", "2", "--length", "300", "--json", "-"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["kind"], found["text"] + "\n", found["lines"]) == ("sample", written, 2)
    assert main(["sample", "--from", out, "--length", "3"]) == 0
    assert capsys.readouterr().out.startswith("日出山林静，")
    assert main(["sample", "--from", out, "--prompt", "海"]) == 2
    assert "does not know: '海'\nuse characters of the text it was trained on" in capsys.readouterr().err
    assert main(["train", "--text", str(poems), *SMALL, "--prompt", "海", "--out", str(tmp_path / "none")]) == 2
    assert "does not know: '海'" in capsys.readouterr().err
    letters = str(tmp_path / "letters")
    files.write(tmp_path / "book.txt", "the time traveller " * 20)
    assert main(["train", "--text", str(tmp_path / "book.txt"), *SMALL, "--out", letters]) == 0
    assert main(["sample", "--from", letters, "--lines", "2"]) == 2
    assert "knows no line ends" in capsys.readouterr().err


@pytest.mark.slow
def test_a_run_from_before_there_were_alphabets_goes_on(tmp_path, capsys):
    """Its checkpoint says nothing of an alphabet: it reads letters, whatever its text would suit today."""
    book, out = tmp_path / "book.txt", tmp_path / "run"
    book.write_text("ab cd " * 30 + "白日依山尽" * 100, encoding="utf-8")
    old = settings(book, alphabet="letters", prompt="a", epochs=1)
    train.train(old, out)
    with np.load(out / "checkpoint.npz") as file:
        arrays = dict(file)
    plain = json.loads(arrays["plain"].tobytes())
    for name in ("alphabet", "encoding", "least", "embedding", "symbols"):
        del plain["settings"][name]
    arrays["plain"] = np.frombuffer(json.dumps(plain).encode(), np.uint8)
    np.savez(out / "checkpoint.npz", **arrays)
    assert main(["sample", "--from", str(out), "--length", "5"]) == 0
    assert set(capsys.readouterr().out) <= set(ONLY_LETTERS + "\n")
    assert main(["train", "--resume", "--epochs", "3", "--out", str(out)]) == 0
    whole = train.train(settings(book, alphabet="letters", prompt="a", epochs=3), tmp_path / "whole")
    for name, p in whole.params.items():
        np.testing.assert_array_equal(train.load(out)[1].params[name].data, p.data)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"alphabet": "chinese"}, "alphabet 'chinese'\nthere are auto, letters, all"),
        ({"least": 0}, "least 0\nexpected an integer from 1 on"),
        ({"embedding": -1}, "embedding -1\nexpected an integer from 0 on"),
        ({"symbols": "aa"}, "symbols 'aa'\nexpected characters, each of them once"),
        ({"encoding": "x"}, "no encoding 'x'"),
    ],
    ids=lambda value: str(value)[:20],
)
def test_settings_that_no_text_can_have_are_refused(poems, changes, words):
    with pytest.raises(ValueError, match=re.escape(words)):
        train.prepare(settings(poems, **changes))


def test_the_text_is_read_by_the_encoding_of_the_settings(poems):
    poems.write_bytes("月落烏啼霜滿天".encode("big5"))
    assert corpus.load(poems, encoding="big5") == "月落烏啼霜滿天"


@pytest.mark.slow
def test_a_sample_is_drawn_with_what_each_character_leans_on(poems, tmp_path, capsys):
    out, picture = str(tmp_path / "run"), tmp_path / "leans.svg"
    assert main(["train", "--text", str(poems), *SMALL, "--out", out]) == 0
    capsys.readouterr()
    command = ["sample", "--from", out, "--prompt", "山", "--length", "9"]
    assert main([*command, "--saliency", str(picture), "--json", "-"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert "".join(found["saliency"]["read"]) == "\n" + found["text"][:-1]
    assert "".join(found["saliency"]["predicted"]) == found["text"]
    drawn = picture.read_text(encoding="utf-8")
    assert ">山</text>" in drawn
    assert main([*command, "--saliency", "-"]) == 0
    assert capsys.readouterr().out == drawn
    assert main([*command, "--saliency", str(tmp_path / "leans.png")]) == 2
    assert "does not end in .svg" in capsys.readouterr().err
    assert main(["sample", "--from", out, "--length", "90", "--saliency", str(tmp_path / "long.svg")]) == 2
    assert "draw at most 80" in capsys.readouterr().err
    assert not (tmp_path / "long.svg").exists()
