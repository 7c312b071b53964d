"""Points, counts and hints, from findings alone."""

import csv
import io
import json

import pytest
from zoo import PAIRS, ZOO

from tinygrad_rnn.commands.classroom import marks_page, marks_table
from tinygrad_rnn.commands.classroom.hints import LEVELS, hint, without_the_right_one
from tinygrad_rnn.commands.classroom.marks import counts, marks_of, shortened


def result(status="judged", words="", **found):
    return {"status": status, "words": words, "found": found}


def findings(first="", mistakes=(), missing=(), remarks=(), **rights):
    return {
        "kind": "examination",
        "right": all(rights.values()) and not missing and not remarks,
        "gradients": {name: {"right": right} for name, right in rights.items()},
        "first": first,
        "mistakes": list(mistakes),
        "missing": list(missing),
        "remarks": list(remarks),
    }


def of(points=None, **results):
    return {mark.student: mark for mark in marks_of(results, points)}


def one(**found):
    """A result with one question."""
    return {"status": "judged", "words": "", "found": {"": findings(**found)}}


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
    found = result(rnn=findings(W=True), gru=findings(W=False, first="dz at step 1, of T = 2 steps: dz is 1 by hand"))
    mark = of({"rnn.W": 1, "gru.W": 4}, ann=found)["ann"]
    assert (mark.points, mark.gradients) == (1, {"rnn.W": True, "gru.W": False})
    assert hint(mark, 2).splitlines() == [
        "rnn: right",
        "gru: wrong: dW, first at step 1 of T = 2 steps",
        "gru: the first wrong quantity: dz",
    ]


def test_counts():
    slip = "in dU, dz[t].T @ h[t] stands in the place of dz[t].T @ h[t-1]"
    carry = "the carry of dh from step t+1 is missing"
    marks = marks_of(
        {
            "a": one(U=False, mistakes=[slip, carry]),
            "b": one(U=False, mistakes=[slip]),
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
    ("words", "short"),
    [
        ("in dU, dz[t].T @ h[t] stands in the place of dz[t].T @ h[t-1]", "in dU: h[t] for h[t-1]"),
        ("in da, Waa @ dz[t] stands in the place of Waa.T @ dz[t]", "in da: Waa for Waa.T"),
        ("in df, dc[t] stands in the place of dc[t] * c[t-1]", None),
        ("in dW, W stands in the place of W", None),
        ("in dW, a / b stands in the place of a * b", None),
        ("every gradient: the wrong sign", None),
    ],
)
def test_a_mistake_is_shortened_where_one_factor_differs(words, short):
    assert shortened(words) == (short or words)


# ------------------------------------------------------------------------------------------------ hints


def test_each_level_tells_more():
    first = (
        "dz at step 2, of T = 3 steps, with an upstream gradient at step 2 alone: dz[0] is 1 by hand and 2 on the tape"
    )
    slip = "in dz, dh[t] stands in the place of dh[t] * (1 - h[t]**2)"
    mark = of(None, ann=one(W=True, U=False, first=first, mistakes=[slip]))["ann"]
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


@pytest.mark.parametrize(
    "words", [words for *_, words, _, _ in ZOO] + [w for pair in PAIRS for w in pair if isinstance(w, str)]
)
def test_no_words_of_the_doctor_keep_what_belongs_there(words):
    said = without_the_right_one(words)
    assert "in the place of" not in said
    assert without_the_right_one("in da, a stands in the place of b") == "in da, a does not belong there"
    assert (
        without_the_right_one("backward uses a in the place of b for h")
        == "backward uses a, which does not belong there"
    )


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
