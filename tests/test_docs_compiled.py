"""The page on the compiler shows what the programs are: each block is made anew and compared."""

from pathlib import Path

import ablation
import make_compiled
import numpy as np
import pytest
from marked_blocks import filled, place

import tinygrad_rnn as tg

ROOT = Path(__file__).parents[1]

PAGE = make_compiled.PAGE.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", make_compiled.BLOCKS)
def test_a_block_of_the_page_is_what_the_programs_say(name):
    shown = [text for _, text, _ in place("make_compiled.py", name).findall(PAGE)]
    assert shown == [make_compiled.BLOCKS[name]()], "run: python docs/tools/make_compiled.py"


def test_a_block_is_put_between_its_marks_and_nowhere_else():
    blocks = {"one": lambda: "new\n", "two": lambda: "\\1\n"}
    page = "before\n<!-- begin: python docs/tools/a_tool.py, {} -->\n{}<!-- end -->\nafter\n"
    given, wanted = (
        "".join(page.format(*pair) for pair in pairs)
        for pairs in ((("one", "old\n"), ("two", "")), (("one", "new\n"), ("two", "\\1\n")))
    )
    assert filled(given, "a_tool.py", blocks) == wanted
    with pytest.raises(AssertionError, match="0 places for two"):
        filled(page.format("one", ""), "a_tool.py", blocks)


def test_the_program_of_the_page_computes_the_gradients_of_the_tape():
    names = {}
    exec(make_compiled.EXAMPLE, names)
    value, grads = tg.value_and_grad(names["loss"])(names["params"], names["data"])
    assert np.isclose(names["value"], value, rtol=1e-12)
    for name, g in grads.items():
        assert np.allclose(names["grads"][name], g, rtol=0, atol=1e-12 * np.abs(g).max())


def test_the_page_has_a_place_for_what_was_measured():
    assert len(ablation.PLACE.findall(PAGE)) == 1
    assert {ablation.PASSES, ()} < set(ablation.CHOICES)


def test_the_tables_of_what_was_measured():
    found = {("lstm", "tiny"): dict.fromkeys(ablation.CHOICES, 1.0)}
    found["lstm", "tiny"][()] = 2.345
    text = ablation.tables(found)
    assert "| one left out | lstm tiny |\n|---|---:|\n| all passes | 1.00 |\n" in text
    assert "| the tape's calls | 2.35 |\n| + dead_code | 1.00 |\n" in text
    assert len(text.splitlines()) == 2 * 2 + len(ablation.WITHOUT) + len(ablation.ADDED) + 2
