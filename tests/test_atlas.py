"""The atlas of cells: it has every cell of `nn`, and its pages are what the tapes say."""

import inspect
import re

import make_atlas
import pytest

from tinygrad_rnn import bptt, nn
from tinygrad_rnn.bptt.atlas.cell_facts import FACTS
from tinygrad_rnn.bptt.atlas.looked_up import SCRIPT

DOCS = make_atlas.DOCS
MADE_BY = "run: python docs/tools/make_atlas.py"
NOT_CELLS = {"dropout_mask", "onnx_node", "scan", "unroll", "variational_dropout", "zoneout"}
"""The functions of `nn` that are no cells."""


def differing(files):
    return [name for name, text in files.items() if (DOCS / name).read_text(encoding="utf-8") != text]


def test_the_atlas_has_every_cell_of_nn():
    functions = {name for name in nn.__all__ if inspect.isfunction(getattr(nn, name))}
    cells = {
        name for name in functions - NOT_CELLS if [*inspect.signature(getattr(nn, name)).parameters][0] == "params"
    }
    assert cells | {"irnn"} == FACTS.keys()
    assert {path.stem for path in (DOCS / "atlas").glob("*.md")} == FACTS.keys() | {"index"}


def test_the_atlas_has_the_initial_parameters_of_every_cell():
    initial = {name for name, f in inspect.getmembers(nn.init, inspect.isfunction) if name[0] != "_"}
    assert initial - {"require_sizes"} == FACTS.keys()


def test_no_picture_is_left_over():
    names = {path.stem for path in (DOCS / make_atlas.IMAGES).glob("*")}
    assert names == {f"{name}-{kind}" for name in FACTS for kind in ("cell", "jacobian", "gradient")}


@pytest.mark.parametrize("name", ["ind_rnn"])
def test_the_page_of_a_small_cell_is_as_the_tape_writes_it(name):
    assert differing(make_atlas.cell_files(bptt.look_up(name))) == [], MADE_BY


def test_the_script_of_the_site_is_that_of_the_package():
    assert (DOCS / "static" / "sortable.js").read_text(encoding="utf-8") == SCRIPT.read_text(encoding="utf-8"), MADE_BY


@pytest.mark.slow
def test_every_page_and_picture_is_as_the_tape_writes_it():
    assert differing(make_atlas.atlas({name: bptt.look_up(name) for name in FACTS})) == [], MADE_BY


def rows(page):
    text = (DOCS / page).read_text(encoding="utf-8")
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line.startswith("|")]


@pytest.mark.parametrize("page", ["atlas/index.md", "zh/atlas/index.md"])
def test_the_index_has_a_row_for_every_cell_that_leads_to_its_page(page):
    head, _, *found = rows(page)
    assert [re.match(r"\[`(\w+)`\]", row[0])[1] for row in found] == [*FACTS]
    assert all(len(row) == len(head) for row in found)


def test_both_indexes_have_the_same_numbers():
    english, chinese = (rows(page)[2:] for page in ("atlas/index.md", "zh/atlas/index.md"))
    words = {0, 9}  # the links, and whether a cell is linear
    for one, other in zip(english, chinese, strict=True):
        assert [c for k, c in enumerate(one) if k not in words] == [c for k, c in enumerate(other) if k not in words]


@pytest.mark.parametrize("name", FACTS)
def test_a_page_says_what_its_row_of_the_index_says(name):
    head, _, *found = rows("atlas/index.md")
    row = dict(zip(head, next(row for row in found if f"[`{name}`]" in row[0]), strict=True))
    page = {row[0]: row[-1] for row in rows(f"atlas/{name}.md")}
    assert page["parameters"] == row["parameters"]
    assert page["bytes of the state in float64"] == row["bytes of state"]
    assert page["multiply-adds of matrix products, a step"] == row["multiply-adds"]
    assert page["of these from the old state to the new one: multiply-adds"] == row["serial multiply-adds"]
    assert [page[steps] for steps in ("10", "50", "200")] == [row[f"{n} steps back"] for n in (10, 50, 200)]
    text = (DOCS / "atlas" / f"{name}.md").read_text(encoding="utf-8")
    assert f"the spectral norm of this Jacobian is {row['norm of the step Jacobian']} " in text
