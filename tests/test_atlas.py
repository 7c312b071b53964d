"""The atlas of cells: it has every cell of `nn`, and its pages are what the tapes say."""

import inspect
import re
import runpy

import make_atlas
import pytest

from tinygrad_rnn import bptt, nn
from tinygrad_rnn.bptt.atlas.cell_facts import FACTS
from tinygrad_rnn.bptt.atlas.looked_up import SCRIPT, compared

DOCS = make_atlas.DOCS
MADE_BY = "run: python docs/tools/make_atlas.py"
NOT_CELLS = {
    "dropout_mask",
    "binary_cross_entropy",
    "cross_entropy",
    "mse",
    "onnx_node",
    "scan",
    "unroll",
    "variational_dropout",
    "zoneout",
}
"""The functions of `nn` that are no cells."""


def differing(files):
    return [name for name, text in files.items() if (DOCS / name).read_text(encoding="utf-8") != text]


def test_the_atlas_has_every_cell_of_nn():
    functions = {name for name in nn.__all__ if inspect.isfunction(getattr(nn, name))}
    assert functions - NOT_CELLS | {"irnn"} == FACTS.keys()
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
    settings = runpy.run_path(str(DOCS / "conf.py"))
    assert SCRIPT.resolve() in [(DOCS / path).resolve() for path in settings["html_static_path"]]


@pytest.mark.slow
def test_every_page_and_picture_is_as_the_tape_writes_it():
    assert differing(make_atlas.atlas({name: bptt.look_up(name) for name in FACTS})) == [], MADE_BY


def tables(page):
    """Return the tables of a page, each a list of rows of cells."""
    text = (DOCS / page).read_text(encoding="utf-8")
    return [
        [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in table.splitlines()]
        for table in re.findall(r"(?:^\|.*\n)+", text, flags=re.MULTILINE)
    ]


def rows(page):
    return [row for table in tables(page) for row in table]


@pytest.mark.parametrize("page", ["atlas/index.md", "zh/atlas/index.md"])
def test_the_index_has_a_row_for_every_cell_that_leads_to_its_page(page):
    for head, _, *found in tables(page):
        assert [re.match(r"\[(\w+)\]", row[0])[1] for row in found] == [*FACTS]
        assert all(len(row) == len(head) for row in found)


def test_both_indexes_have_the_same_numbers():
    english, chinese = (tables(page)[0][2:] for page in ("atlas/index.md", "zh/atlas/index.md"))
    words = {0, 7}  # the links, and whether a cell is linear
    for one, other in zip(english, chinese, strict=True):
        assert [c for k, c in enumerate(one) if k not in words] == [c for k, c in enumerate(other) if k not in words]


@pytest.mark.parametrize("name", FACTS)
def test_a_page_says_what_its_row_of_the_index_says(name):
    head, _, *found = tables("atlas/index.md")[0]
    row = dict(zip(head, next(row for row in found if f"[{name}]" in row[0]), strict=True))
    table = rows(f"atlas/{name}.md")
    page = {row[0]: row[-1] for row in table}
    assert page["entries of the state"] == row["entries of the state"]
    assert page["parameters"] == row["parameters"]
    assert page["multiply-adds of matrix products, a step"] == row["multiply-adds"]
    assert page["of these from the old state to the new one: multiply-adds"] == row["serial multiply-adds"]
    assert [page[steps] for steps in ("10", "50", "200")] == [row[f"{n} steps back"] for n in (10, 50, 200)]
    text = (DOCS / "atlas" / f"{name}.md").read_text(encoding="utf-8")
    assert f"At the initial parameters it is {row['norm of the step Jacobian']} (I = 10, H = 16" in text


@pytest.mark.parametrize("name", FACTS)
def test_both_pages_of_a_cell_have_the_same_formulas_code_and_numbers(name):
    """All that is no word: formulas, code, cells of tables, and the numbers in sentences."""
    texts = [(DOCS / folder / f"{name}.md").read_text(encoding="utf-8") for folder in ("atlas", "zh/atlas")]
    for pattern in (r"\$\$\n.*?\n\$\$", r"```python\n.*?```", r"10\^\{-?\d+\.\d\}", r"\d+(?:\.\d+|,\d+)(?= \|)"):
        english, chinese = (re.findall(pattern, text, flags=re.DOTALL) for text in texts)
        assert english == chinese
        assert english or name == "linear_attention"


@pytest.mark.needs_chromium
@pytest.mark.slow
def test_the_head_of_a_column_sorts_the_table(tmp_path, chromium):
    """Numbers as numbers, words as words; up, then down."""
    entries = [bptt.look_up(name) for name in ("lstm", "ind_rnn", "min_gru")]
    (tmp_path / "table.html").write_text(compared(entries, "html"), encoding="utf-8")
    page = chromium.new_page()
    page.goto((tmp_path / "table.html").as_uri())

    def order():
        return page.locator("tbody tr td:first-child").all_inner_texts()

    head = page.locator("th", has_text=re.compile("^parameters$"))
    head.get_by_role("button").click()
    assert order() == ["ind_rnn", "min_gru", "lstm"]
    assert head.get_attribute("aria-sort") == "ascending"
    head.get_by_role("button").press("Enter")
    assert order() == ["lstm", "min_gru", "ind_rnn"]
    page.get_by_role("button", name="cell", exact=True).click()
    assert order() == ["ind_rnn", "lstm", "min_gru"]
    assert head.get_attribute("aria-sort") is None
    page.get_by_role("button", name="200 steps back").click()
    assert order() == ["min_gru", "lstm", "ind_rnn"]
    page.close()
