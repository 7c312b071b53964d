"""The words of mistakes for a class: without what belongs there, for students; shortened, where they are counted.

Both are made of the sentence of a mistake, by its parts, so that they hold in each language.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from tinygrad_rnn.bptt.comparison.report import Report
from tinygrad_rnn.bptt.diagnosis.findings import Diagnosis
from tinygrad_rnn.bptt.homework.examined import Examination
from tinygrad_rnn.language.saying import Listed, Sentence, Words, sentence, template
from tinygrad_rnn.language.spoken_fields import stored

STANDS_FOR = "in {to}, {given} stands in the place of {meant}"
WITHOUT = {
    STANDS_FOR: template("in {to}, {given} does not belong there"),
    "in {to} at step 0, {given} stands in the place of {meant}": template(
        "in {to} at step 0, {given} does not belong there"
    ),
    "{given} stands in the place of {meant}": template("{given} does not belong there"),
    "in {to} alone, {given} stands in the place of {meant}": template("in {to} alone, {given} does not belong there"),
    "in {to}, on the path {path} alone, {given} stands in the place of {meant}": template(
        "in {to}, on the path {path} alone, {given} does not belong there"
    ),
    "in {to}, {given} stand in the place of {meant}": template("in {to}, {given} do not belong there"),
    "{what} are in another order than the parameters': block {given} stands in the place of {meant}": template(
        "{what} are in another order than the parameters': block {given} does not belong there"
    ),
    "in {to}, entries {given} of {whole} stand in the place of {meant}, as if it were [{joined}]{of}": template(
        "in {to}, entries {given} of {whole} do not belong there"
    ),
    "in {to}, the gates are put together in another order: {given} in the place of {meant}": template(
        "in {to}, the gates are put together in another order: {given}, which does not belong there"
    ),
    "the gates are read in another order than the parameters have them: {given} where {meant} stand": template(
        "the gates are read in another order than the parameters have them: {given}"
    ),
    "the carry of {what} begins with {given}, in the place of zeros": template(
        "the carry of {what} begins with {given}, which does not belong there"
    ),
    "backward reads {given} at step 0, in the place of {meant}": template(
        "backward reads {given} at step 0, which does not belong there"
    ),
    "backward uses {given} in the place of {meant}": template("backward uses {given}, which does not belong there"),
    "the forward pass computes {given} in the place of {meant}{more}": template(
        "the forward pass computes {given}, which does not belong there"
    ),
    "{said} (backward has it right)": "{said}",
    "at the input of tanh, in the place of its output": template("at the input of tanh, which does not belong there"),
    "at the input of the sigmoid, in the place of its output": template(
        "at the input of the sigmoid, which does not belong there"
    ),
    "the shape of {what} is {given} in the place of {meant}": template(
        "the shape of {what} is {given}, which does not belong there"
    ),
    "the axes of {what} are in another order: {given} for {meant}": template(
        "the axes of {what} are in another order: {given}"
    ),
}
"""By the template of a sentence that says what belongs there, one that does not."""


def without_the_right_one(said: Any) -> Any:
    """Return the sentence of a mistake without what belongs in the place of what was written."""
    if isinstance(said, Listed):
        return Listed(map(without_the_right_one, said.parts), said.between)
    if not isinstance(said, Sentence):
        return said
    parts = {name: without_the_right_one(part) for name, part in said.parts.items()}
    return Sentence(WITHOUT.get(said.template, said.template), parts)


def shortened(said: Words) -> Words:
    """Return the sentence of a mistake, of two products only the factors that differ: in dU: h[t] for h[t-1]."""
    if not isinstance(said, Sentence) or said.template != STANDS_FOR:
        return said
    hand, meant = (re.findall(r"\w+(?:\[[^\]]*\])?(?:\.T)?|\S", str(said.parts[name])) for name in ("given", "meant"))
    while hand and meant and hand[0] == meant[0]:
        hand, meant = hand[1:], meant[1:]
    while hand and meant and hand[-1] == meant[-1]:
        hand, meant = hand[:-1], meant[:-1]
    if len(hand) != 1 or len(meant) != 1 or not re.match(r"\w", hand[0]):
        return said
    return sentence("in {to}: {given} for {meant}", to=said.parts["to"], given=hand[0], meant=meant[0])


def told(found: Diagnosis | Examination | Report) -> dict[str, Any]:
    """Return what a class is told of findings, as plain values in the language that is spoken.

    first: the quantity, the step and the number of steps of the first symptom; None where there is none. mistakes: each
    without what belongs there. counted: each as it is counted.
    """
    mistakes: list[Words] = []
    symptom: Any = None
    own: Callable[[str], str] = str
    if isinstance(found, Diagnosis):
        own = found.in_its_names
        mistakes = [mistake.said for mistake in (found.mistake, *found.others) if mistake]
        symptom = found.symptom.said if found.symptom else None
    elif isinstance(found, Examination):
        mistakes, symptom = list(stored(found, "mistakes")), stored(found, "first") or None
    return {
        "first": _first(symptom, own) if isinstance(symptom, Sentence) and "k" in symptom.parts else None,
        "mistakes": [own(str(without_the_right_one(said))) for said in mistakes],
        "counted": [own(str(shortened(said))) for said in mistakes],
    }


def _first(symptom: Sentence, own: Callable[[str], str]) -> dict[str, Any]:
    place = symptom.parts["place"]
    if isinstance(place, Sentence) and place.template == "{quantity}, or in what is made of it,":
        place = sentence("{quantity}, or what is made of it", **place.parts)
    return {"quantity": own(str(place)), "step": symptom.parts["k"], "steps": symptom.parts["T"]}
