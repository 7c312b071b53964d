"""Points, counts and hints, from findings alone."""

import csv
import io
import json

import pytest
from said_sentences import CALLS

from tinygrad_rnn.commands.classroom import marks_page, marks_table
from tinygrad_rnn.commands.classroom.hints import LEVELS, hint
from tinygrad_rnn.commands.classroom.marks import counts, marks_of
from tinygrad_rnn.commands.classroom.told_mistakes import WITHOUT, shortened, without_the_right_one
from tinygrad_rnn.language.current import speaking
from tinygrad_rnn.language.saying import Sentence, sentence


def result(status="judged", words="", **found):
    return {"status": status, "words": words, "found": found}


def slip(to, given, meant):
    return sentence("in {to}, {given} stands in the place of {meant}", to=to, given=given, meant=meant)


def findings(mistakes=(), missing=(), remarks=(), **rights):
    return {
        "kind": "examination",
        "right": all(rights.values()) and not missing and not remarks,
        "gradients": {name: {"right": right} for name, right in rights.items()},
        "mistakes": [str(said) for said in mistakes],
        "missing": list(missing),
        "remarks": list(remarks),
    }


def of(points=None, **results):
    return {mark.student: mark for mark in marks_of(results, points)}


def told(first=None, mistakes=()):
    """What a class is told: first is (quantity, step, steps), mistakes are sentences."""
    return {
        "first": dict(zip(("quantity", "step", "steps"), first, strict=True)) if first else None,
        "mistakes": [str(without_the_right_one(said)) for said in mistakes],
        "counted": [str(shortened(said)) for said in mistakes],
    }


def one(first=None, mistakes=(), **found):
    """A result with one question."""
    return {
        "status": "judged",
        "words": "",
        "found": {"": findings(mistakes=mistakes, **found)},
        "told": {"": told(first, mistakes)},
    }


def test_points_are_those_of_the_task():
    marks = of({"W": 2, "U": 3.5}, ann=one(W=True, U=True, x=False), ben=one(W=False, U=True), cat=one(W=True))
    assert {name: mark.points for name, mark in marks.items()} == {"ann": 5.5, "ben": 3.5, "cat": 2}
    assert {name: mark.whole for name, mark in marks.items()} == {"ann": "5.5/5.5", "ben": "3.5/5.5", "cat": "2/5.5"}
    assert [mark.right for mark in marks.values()] == [False, False, False]
    assert marks["cat"].absent == ["U"]


def test_points_may_be_given_for_dw():
    results = {"ann": {"status": "judged", "words": "", "found": {"q": findings(W=True, U=False, d=True)}}}
    assert of({"q.dW": 2, "q.U": 3, "q.d": 1, "q.dV": 1}, **results)["ann"].scale == {
        "q.W": 2,
        "q.U": 3,
        "q.d": 1,
        "q.dV": 1,
    }
    assert of({"dW": 2}, ann=one(W=True))["ann"].whole == "2/2"


def test_without_points_each_gradient_that_half_of_the_class_gives_has_one():
    silent = result("timeout", "no answer within 1 s")
    marks = of(None, ann=one(W=True, U=True, x=True), ben=one(W=False, U=True), cat=one(W=True), dan=silent)
    assert marks["ann"].scale == {"W": 1, "U": 1}
    assert [mark.points for mark in marks.values()] == [2, 1, 1, 0]
    assert of(None, dan=silent)["dan"].whole == "0/0"


def test_a_gradient_on_which_the_loss_depends_and_that_is_missing_is_wrong():
    mark = of(None, ann=one(W=True, missing=["b"]))["ann"]
    assert mark.gradients == {"W": True, "b": False}
    assert not mark.right
    assert hint(mark, 1) == "missing: db"


def test_several_questions_have_their_names_before_the_gradients():
    found = result(rnn=findings(W=True), gru=findings(W=False)) | {"told": {"rnn": told(), "gru": told(("dz", 1, 2))}}
    mark = of({"rnn.W": 1, "gru.W": 4}, ann=found)["ann"]
    assert (mark.points, mark.gradients) == (1, {"rnn.W": True, "gru.W": False})
    assert hint(mark, 2).splitlines() == [
        "rnn: right",
        "gru: wrong: dW, first at step 1 of T = 2 steps",
        "gru: the first wrong quantity: dz",
    ]


def test_counts():
    wrong = slip("dU", "dz[t].T @ h[t]", "dz[t].T @ h[t-1]")
    carry = "the carry of dh from step t+1 is missing"
    marks = marks_of(
        {
            "a": one(U=False, mistakes=[wrong, carry]),
            "b": one(U=False, mistakes=[wrong]),
            "c": one(U=True),
            "d": one(U=False, W=False),
            "e": one(W=True),
            "f": one(U=True, remarks=["habit: it changes dhs"]),
            "g": result("failed", "g.py, line 1: no\nadvice"),
            "h": result("failed", "h.py cannot be run\nadvice"),
            "i": result("timeout", "no answer within 2 s"),
        },
        {"U": 1},
    )
    assert counts(marks) == [
        (2, "could not be run"),
        (2, "in dU: h[t] for h[t-1]"),
        (1, "fails, or has a bad habit; no gradient that it gives is wrong"),
        (1, "no answer within 2 s"),
        (1, "no known mistake: dU, dW"),
        (1, "not given: dU"),
        (1, "right"),
        (1, carry),
    ]


@pytest.mark.parametrize(
    ("said", "short", "chinese"),
    [
        pytest.param(
            slip("dU", "dz[t].T @ h[t]", "dz[t].T @ h[t-1]"),
            "in dU: h[t] for h[t-1]",
            "dU 中用了 h[t]，应当用 h[t-1]",
            id="another step",
        ),
        pytest.param(
            slip("da", "Waa @ dz[t]", "Waa.T @ dz[t]"),
            "in da: Waa for Waa.T",
            "da 中用了 Waa，应当用 Waa.T",
            id="not transposed",
        ),
        pytest.param(slip("df", "dc[t]", "dc[t] * c[t-1]"), None, None, id="a factor less"),
        pytest.param(slip("dW", "W", "W"), None, None, id="the same"),
        pytest.param(slip("dW", "a / b", "a * b"), None, None, id="another sign"),
        pytest.param(sentence("every gradient"), None, None, id="of another kind"),
    ],
)
def test_a_mistake_is_shortened_where_one_factor_differs(said, short, chinese):
    found = shortened(said)
    assert str(found) == (short or str(said))
    with speaking("zh"):
        assert str(found) == (chinese or str(said))


# ------------------------------------------------------------------------------------------------ hints


def test_each_level_tells_more():
    wrong = slip("dz", "dh[t]", "dh[t] * (1 - h[t]**2)")
    mark = of(None, ann=one(W=True, U=False, first=("dz", 2, 3), mistakes=[wrong]))["ann"]
    told = [hint(mark, level) for level in LEVELS]
    assert told == [
        "wrong",
        "wrong: dU, first at step 2 of T = 3 steps",
        "wrong: dU, first at step 2 of T = 3 steps\nthe first wrong quantity: dz",
        "wrong: dU, first at step 2 of T = 3 steps\nthe first wrong quantity: dz\n"
        "mistake: in dz, dh[t] does not belong there",
    ]
    right = of(None, ann=one(W=True))["ann"]
    assert [hint(right, level) for level in LEVELS] == ["right"] * 4


PARTS = {"given": "GIVEN", "meant": "MEANT", "said": slip("dh", "GIVEN", "MEANT"), "joined": "MEANT", "more": ""}


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("template", [pytest.param(t, id=t[:50]) for t in WITHOUT])
def test_no_sentence_of_a_mistake_keeps_what_belongs_there(template, language):
    names = ("to", "of", "what", "whole", "path")
    said = Sentence(template, {**dict.fromkeys(names, "dh"), **PARTS})
    with speaking(language):
        words = str(without_the_right_one(said))
        assert "MEANT" not in words
        assert "in the place of" not in words
        assert "应当" not in words.replace("不应当", "")
        assert ("GIVEN" in words) == ("GIVEN" in str(said))


def test_each_sentence_that_says_what_belongs_there_has_one_that_does_not():
    said = {template for where, template, _, _ in CALLS if where.startswith("bptt/diagnosis") and template}
    inside = {template for template in said if template.startswith(" (")}  # is left out with the sentence around it
    saying = {template for template in said if "{meant}" in template or "in the place of" in template}
    assert saying - inside == WITHOUT.keys() - {"{said} (backward has it right)"}


def test_what_is_seen_at_once_in_a_gradient_is_told_with_the_mistake():
    found = one(W=False)
    found["found"][""]["gradients"]["W"]["seen"] = "it has NaN or infinity"
    assert hint(of(None, ann=found)["ann"], 2) == "wrong: dW"
    assert hint(of(None, ann=found)["ann"], 3) == "wrong: dW\ndW: it has NaN or infinity"


def test_what_has_no_answer_is_told_so_at_every_level():
    mark = of(None, ann=result("failed", "a.py cannot be run: ValueError (line 1)\nadvice"))["ann"]
    assert [hint(mark, level).splitlines()[0] for level in LEVELS] == ["a.py cannot be run: ValueError (line 1)"] * 4


def test_remarks_are_told_where_no_gradient_is_wrong():
    mark = of(None, ann=one(W=True, remarks=["habit: it changes its argument dhs in place"]))["ann"]
    assert not mark.right
    assert hint(mark, 1) == "habit: it changes its argument dhs in place"


# ------------------------------------------------------------------------------------------------ tables and pages


def test_tables_of_one_student_without_any_gradient():
    marks = marks_of({"ann": result("crashed", "its process ended by SIGSEGV, without an answer")}, None)
    assert marks_table.text(marks, 1).startswith("ann  0/0  its process ended")
    assert [*csv.reader(io.StringIO(marks_table.as_csv(marks, 1)))][1][:4] == ["ann", "crashed", "0", "0"]
    assert json.loads(marks_table.as_json(marks, 1, "task.py"))["of"] == 0
    assert "Points: none." in marks_page.page(marks, 1, "task.py")


@pytest.mark.parametrize("name", ["=1+1", "+a", "-a", "@a", "\ta"])
def test_no_cell_of_the_csv_is_a_formula(name):
    text = marks_table.as_csv(marks_of({name: one(W=True)}, None), 1)
    assert [*csv.reader(io.StringIO(text))][1][0] == f"'{name}"


def test_a_page_holds_names_as_text_and_nothing_from_outside():
    bad = "<script>alert('1')</script>\udcff"
    page = marks_page.page(marks_of({bad: result("failed", bad)}, None), 3, bad)
    assert "<script" not in page
    assert "&lt;script&gt;alert(&#x27;1&#x27;)&lt;/script&gt;?" in page
    assert "default-src 'none'; style-src 'sha256-" in page.replace("script-src ; ", "")
    assert "http:" not in page
    assert "https:" not in page
    assert page.encode("utf-8")
