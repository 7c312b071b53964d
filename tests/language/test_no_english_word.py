"""What is said in Chinese holds no English word: of every mistake, and of wrong code of all kinds."""

import re
from functools import partial

import numpy as np
import pytest
from chinese_words import ENGLISH, assert_chinese, assert_read_in_both_languages, shown
from zoo import ZOO, with_mistake

from tinygrad_rnn import bptt, cli, nn
from tinygrad_rnn.bptt.diagnosis.catalogue import catalogue
from tinygrad_rnn.bptt.diagnosis.problems import problems_of
from tinygrad_rnn.commands.classroom.told_mistakes import shortened, without_the_right_one
from tinygrad_rnn.language.current import speaking


def test_the_english_words_are_known():
    assert {"the", "is", "of", "step", "gradient", "wrong"} <= ENGLISH
    with pytest.raises(AssertionError):
        assert_chinese("dU 中用了 the h[t]")
    assert_chinese("首先出错：时刻 1 的 dh，weight_hh @ of[t] ValueError: the shapes are wrong")


@pytest.mark.parametrize("cell", [nn.rnn, nn.lstm, nn.gru_textbook], ids=lambda cell: cell.__name__)
def test_every_mistake_that_the_doctor_knows_is_said_in_chinese(cell):
    mistakes = list(catalogue(problems_of(cell, None, False, True, True).searched.model))[:: 1 if cell is nn.rnn else 7]
    with speaking("zh"):
        for mistake in mistakes:
            for said in (mistake.said, mistake.quantity, without_the_right_one(mistake.said), shortened(mistake.said)):
                assert_chinese(str(said))


@pytest.mark.parametrize("mistake", ["no carry", ""])
def test_the_doctor_speaks_chinese(mistake):
    """Each other mistake that the doctor names is read in both languages where it is named."""
    function = next(function for cell, function, *_ in ZOO if cell is nn.rnn)
    assert_read_in_both_languages(bptt.doctor(nn.rnn, with_mistake(function, mistake)), "rnn")


@pytest.mark.slow
@pytest.mark.parametrize("mistake", ["no carry", "h_t for h_{t-1}", "a factor 2", "batch not summed", "1/T", ""])
def test_compare_speaks_chinese(mistake):
    rng = np.random.default_rng(0)
    function = next(function for cell, function, *_ in ZOO if cell is nn.rnn)
    params, xs = nn.init.rnn(rng, 3, 4), rng.standard_normal((4, 2, 3))
    report = bptt.compare(nn.rnn, params, xs, with_mistake(function, mistake))
    with speaking("zh"):
        assert_chinese(shown(report))


FLOWS = {
    "vanishes": (nn.rnn, 60, 0.3),
    "explodes": (partial(nn.rnn, nonlinearity="relu"), 60, 3.0),
    "survives": (nn.gru, 6, 1.0),
    "one step": (nn.lstm, 1, 1.0),
    "two steps": (nn.lstm, 2, 1.0),
}


@pytest.mark.parametrize("kind", FLOWS)
def test_flow_speaks_chinese(kind):
    cell, T, scale = FLOWS[kind]
    rng = np.random.default_rng(0)
    drawn = getattr(nn.init, getattr(cell, "func", cell).__name__)(rng, 3, 4)
    params = {name: scale * p.data for name, p in drawn.items()}
    flow = bptt.flow(cell, params, rng.standard_normal((T, 2, 3)))
    with speaking("zh"):
        html = re.sub(r"<style>.*?</style>|<[^>]*>", " ", flow._repr_html_(), flags=re.S)
        assert_chinese(f"{flow}\n{flow!r}\n{html}")
        assert {"vanishes": "梯度消失", "explodes": "梯度爆炸"}.get(kind, "状态：") in str(flow)


CELL = "def cell(p, x, h):\n    return np.tanh(x @ p['W'] + h @ p['U'])\n"
EXAMPLE = """
def example(rng, T, B):
    params = {"W": rng.normal(0, 0.5, (2, 3)), "U": rng.normal(0, 0.5, (3, 3))}
    return params, rng.standard_normal((T, B, 2)), rng.standard_normal((B, 3))
"""
ANSWER = """import numpy as np

def my_bptt(p, xs, state, dhs):
    hs = [state[0]]
    for x in xs:
        hs.append(np.tanh(x @ p["W"] + hs[-1] @ p["U"]))
    dW, dU, carry = 0, 0, 0
    for t in reversed(range(len(xs))):
        dz = (dhs[t] + carry) * (1 - hs[t + 1] ** 2)
        dW, dU, carry = dW + xs[t].T @ dz, dU + hs[t].T @ dz, dz @ p["U"].T
    return {"W": dW, "U": dU}
"""
SUBMISSIONS = {
    "ann.py": ANSWER,
    "ben.py": ANSWER.replace("hs[t].T @ dz", "hs[t + 1].T @ dz"),
    "cat.py": ANSWER.replace(', "U": dU', ""),
    "dan.py": ANSWER.replace("dhs[t] + carry", "dhs[t] + 0.3 * carry * carry"),
    "eve.py": "import time\nwhile True:\n    time.sleep(1)\n",
    "fay.py": "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)\n",
    "gus.py": ANSWER.replace("(1 - hs[t + 1] ** 2)", "(1 - hs[t + 1])"),
}


@pytest.mark.slow
def test_mark_speaks_chinese_and_keeps_the_results_of_each_language_apart(tmp_path, capsys):
    folder = tmp_path / "answers"
    folder.mkdir()
    for name, text in SUBMISSIONS.items():
        (folder / name).write_text(text, encoding="utf-8")
    task = tmp_path / "task.py"
    task.write_text(f"import numpy as np\n\n{CELL}{EXAMPLE}\nfunction = 'my_bptt'\npoints = {{'W': 1, 'U': 2}}\n")
    page, table = tmp_path / "marks.html", tmp_path / "marks.csv"
    command = ["mark", str(folder), "--task", str(task), "--hints", "3", "--timeout", "3"]
    assert cli.main([*command, "--lang", "zh", "--html", str(page), "--csv", str(table)]) == 0
    chinese = capsys.readouterr()
    assert "ben.py  1/3  有错：dU，首先出错在时刻 0（共 T = 1 步）" in chinese.out
    assert "dU 中不应当出现 h[t].T @ d(x @ W + h @ U)[t]" in chinese.out
    assert re.search("eve.py +0/3 +3 秒之内没有结果；当时运行到第 [23] 行", chinese.out)
    assert_chinese((chinese.out + chinese.err).replace(str(tmp_path), ""))
    text = page.read_text(encoding="utf-8")
    assert '<html lang="zh">' in text
    assert_chinese(re.sub(r"<style>.*?</style>|<[^>]*>", " ", text, flags=re.S))
    rows = table.read_text(encoding="utf-8").splitlines()[1:]
    assert_chinese(re.sub(r",(judged|timeout|crashed|failed),", ",", "\n".join(rows)))
    assert cli.main(command) == 0
    english = capsys.readouterr()
    assert "ben.py  1/3  wrong: dU, first at step 0 of T = 1 steps" in english.out
    assert not re.search("[一-鿿]", english.out + english.err)
    assert "earlier run" not in english.err
    assert cli.main([*command, "--lang", "zh"]) == 0
    assert "7 个结果中有 7 个是以前运行时保留的" in capsys.readouterr().err
