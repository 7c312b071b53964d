"""What people say: the page shows the code of the demo, each verdict is what an experiment gives, in both languages."""

import ast
import inspect
import re

import make_what_people_say as tool
import numpy as np
import pytest

import tinygrad_rnn as tg
from tinygrad_rnn import bptt, nn

DEMO = tool.imported(tool.DEMO)
FAST = [experiment.__name__ for experiment in DEMO.FAST]
ALL = [pytest.param(name, marks=() if name in FAST else pytest.mark.slow) for name in tool.EXPERIMENTS]
PAGES = {language: page.read_text(encoding="utf-8") for language, page in tool.PAGES.items()}
HAN = re.compile(r"[\u3400-\u9fff]")


def without_numbers(verdict):
    return re.sub(r"[-+]?\d+(\.\d+)?(e[-+]?\d+)?", "#", verdict)


@pytest.mark.parametrize("name", ALL)
def test_an_experiment_holds_and_its_verdict_stands_on_the_page(name):
    verdict, shown = tool.EXPERIMENTS[name](), tool.shown_verdict(name, "en")
    if name in tool.VARY:
        verdict, shown = without_numbers(verdict), without_numbers(shown)
    assert shown == verdict, f"run: python docs/tools/{tool.TOOL} {name}"


@pytest.mark.parametrize("language", PAGES)
@pytest.mark.parametrize("name", ["setup", *tool.EXPERIMENTS])
def test_a_block_of_the_page_is_the_code_of_the_demo(name, language):
    shown = [text for _, text, _ in tool.place(tool.TOOL, name).findall(PAGES[language])]
    assert shown == [tool.block(name, language, None)], f"run: python docs/tools/{tool.TOOL}"


@pytest.mark.parametrize("name", tool.EXPERIMENTS)
def test_the_chinese_verdict_has_the_numbers_of_the_english_one(name):
    english, chinese = (tool.shown_verdict(name, language) for language in ("en", "zh"))
    assert chinese == tool.in_chinese(name, english)
    first, *program = chinese.splitlines()
    assert HAN.search(first)
    assert not set("*`\\~") & set(first + english.splitlines()[0])  # Markdown would take them for marks
    assert program == english.splitlines()[1:]  # what the program prints stays as it is
    number = r"\d+(?:\.\d+)?"
    assert sorted(re.findall(number, english)) == sorted(re.findall(number, chinese))


def test_a_verdict_in_other_words_has_no_translation():
    assert tool.in_chinese("thousand_steps", "False. A simple RNN of 256 units takes 1 lines, 2 MiB and 3 s here.")
    with pytest.raises(AssertionError, match="other words for thousand_steps"):
        tool.in_chinese("thousand_steps", "True. A simple RNN of 256 units takes 1 lines, 2 MiB and 3 s here.")


@pytest.mark.parametrize("name", tool.EXPERIMENTS)
def test_an_experiment_is_a_claim_and_twelve_lines_with_an_assert(name):
    function = ast.parse(inspect.getsource(tool.EXPERIMENTS[name])).body[0]
    claim, *body = function.body
    assert ast.get_docstring(function).endswith((".", "?"))
    assert "\n" not in ast.get_docstring(function)
    assert body[-1].end_lineno - claim.end_lineno <= 12
    assert any(isinstance(node, ast.Assert) for node in ast.walk(function))


@pytest.mark.parametrize("language", PAGES)
def test_each_experiment_has_its_place_and_its_line_in_the_table(language):
    assert sorted(tool.order()) == sorted(tool.EXPERIMENTS)
    assert re.findall(rf"{tool.TOOL}, (?!setup)(\w+) -->", PAGES[language]) == tool.order()
    said = re.findall(r"^### (.*)$", PAGES[language], flags=re.M)
    assert re.findall(r"^\| (.*?) \| .* \|$", PAGES[language], flags=re.M)[1:] == said
    assert len(said) == len(tool.EXPERIMENTS)


@pytest.mark.parametrize(("language", "true", "false"), [("en", "true", "false"), ("zh", "对", "错")], ids=PAGES)
def test_the_table_calls_true_and_false_what_the_verdict_does(language, true, false):
    cells = re.findall(r"^\| .*? \| (.*) \|$", PAGES[language], flags=re.M)[1:]
    for name, cell in zip(tool.order(), cells, strict=True):
        verdict = tool.shown_verdict(name, language).lower()
        for word in (true, false):
            assert verdict.startswith(word) == cell.startswith(word), name


def test_a_name_that_no_experiment_has_is_answered_with_all_names():
    with pytest.raises(SystemExit, match=r"no experiment of this name: gates\nthere are one_walk, "):
        DEMO.main(["gates"])


def test_some_experiments_run_by_name(capsys):
    DEMO.main(["layout"])
    said = capsys.readouterr().out
    assert said.startswith("The derivative dz_t/dh_{t-1} is U^T, not U.\n    Both, by the layout.")
    assert said.count("\n") == 2


# ------------------------------------------------------------------------------- what the experiments rest on


@pytest.mark.parametrize("way", [DEMO.nowhere, DEMO.regularly, DEMO.by_chance], ids=lambda way: way.__name__)
def test_a_factor_in_the_loop_truncates_as_a_rule_for_edges_does(way):
    rng = np.random.default_rng(0)
    params = {name: tg.Tensor(p.data, name=name) for name, p in nn.init.rnn(rng, 2, 4).items()}
    xs, xi = rng.standard_normal((12, 3, 2)), way(rng, 12)
    with tg.Tape() as cut:
        loss = (DEMO.run({**params, "V": np.ones((1, 4))}, xs, xi) ** 2).sum()
    with tg.Tape() as whole:
        losses = (nn.unroll(nn.rnn, params, xs)[0] ** 2).sum()
    wanted = bptt.truncated_gradient(whole, losses, params, bptt.Scaled(xi[1:]))
    for name, gradient in cut.gradient(loss, params).items():
        assert np.allclose(gradient, wanted[name], rtol=0, atol=1e-12 * np.abs(wanted[name]).max())


def test_random_cuts_have_no_bias():
    drawn = np.mean([DEMO.by_chance(np.random.default_rng(seed), 100) for seed in range(400)])
    assert abs(drawn - 1) < 0.01


@pytest.mark.parametrize("same", [0.0, 1.0])
def test_a_phrase_agrees_with_its_first_noun(same):
    words, number = DEMO.agreement(np.random.default_rng(0), 50, same)
    nouns = words[::2].argmax(axis=-1)
    assert words.shape == (7, 50, 3)
    assert (words[1::2, :, 2] == 1).all()
    assert (number[:, 0] == 2 * nouns[0] - 1).all()
    assert ((nouns[1:] == nouns[0]) == bool(same)).all()


def test_the_tasks_ask_for_what_they_say():
    xs, sums = DEMO.adding(np.random.default_rng(0), 40)
    assert np.allclose((xs[:, :, 0] * xs[:, :, 1]).sum(axis=0) - 1, sums[:, 0])
    assert (xs[:, :, 1].sum(axis=0) == 2).all()
    xs, sign = DEMO.recall(np.random.default_rng(0), 40, T=12, back=6)
    assert np.array_equal(sign[:, 0], xs[6, :, 0])
    xs, sign = DEMO.unrelated(np.random.default_rng(0), 4000)
    assert np.abs((xs[:, :, 0] * sign[:, 0]).mean(axis=1)).max() < 0.06


def test_the_cliff_is_the_loss_of_pascanu():
    w, b, h = 4.3, -2.18, 0.5
    for _ in range(50):
        h = w / (1 + np.exp(-h)) + b
    assert np.allclose(DEMO.cliff(np.array([[w], [b]])), (1 / (1 + np.exp(-h)) - 0.7) ** 2, rtol=1e-9)
