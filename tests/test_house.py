"""The floors of the house: imports run only downwards, and each public name is listed."""

import ast
from pathlib import Path

import pytest

import tinygrad_rnn
from tinygrad_rnn import bptt, draw, nn

PACKAGE = Path(tinygrad_rnn.__file__).parent

FLOORS = {
    "files": 0,
    "engine": 0,
    "nn": 1,
    "replay": 1,
    "draw": 1,
    "bench": 2,
    "bptt": 2,
    "lm": 2,
    "commands": 3,
    "cli": 4,
    "__main__": 5,
}

# Inside the engine, and inside the rooms above it, each file may import only those before it.
ORDERS = {
    "engine": [
        "recording",
        "errors",
        "expressions",
        "methods",
        "tensor",
        "primitives",
        "text",
        "watch",
        "walk",
        "hooks",
        "tape",
        "trees",
        "forward",
        "transforms",
        "likeness",
        "steps",
        "split",
        "check",
        "check_grads",
    ],
    "nn": [
        "cells",
        "more_cells",
        "unroll",
        "wrappers",
        "onnx",
        "layers",
        "recurrent",
        "losses",
        "init",
        "optim",
        "weights",
    ],
    "draw": [
        "style",
        "views",
        "places",
        "graph",
        "grid",
        "text",
        "render",
        "wording",
        "film",
        "player",
        "plots",
        "cuts",
    ],
    "draw/views": [
        "numbers",
        "backward",
        "unstacked",
        "reading",
        "formula",
        "grouping",
        "selection",
        "boxes",
        "unrolled",
        "rolled",
        "picture",
    ],
    "draw/places": ["sizes", "edges", "routes", "arrangement", "layout", "furniture"],
    "bptt": [
        "by_hand",
        "report",
        "case",
        "numerical",
        "locate",
        "torch_reference",
        "compare",
        "diagnosis",
        "doctor",
        "derivation",
        "magnitude",
        "terms",
        "jacobians",
        "verdict",
        "flow",
        "ways",
        "refusals",
        "truncation",
        "bias",
        "stepwise",
        "checkpoint",
        "rtrl",
        "spans",
    ],
    "bptt/diagnosis": [
        "rules",
        "anatomy",
        "formula",
        "edits",
        "slips",
        "values",
        "mistakes",
        "student",
        "symptoms",
        "problems",
        "search",
        "siblings",
    ],
    "replay": [
        "graph",
        "builder",
        "batching",
        "rolling",
        "backward",
        "passes",
        "pipeline",
        "lowering",
        "memory",
        "slots",
        "lives",
        "loop_layout",
        "layout",
        "source",
        "listing",
        "stats",
        "program",
        "arguments",
        "sameness",
        "compiled",
    ],
    "replay/passes": [
        "dead_code",
        "cuts",
        "siblings",
        "hoist",
        "defer",
        "factors",
        "merging",
        "gates",
        "constants",
    ],
    "bench": [
        "problem",
        "competitor",
        "naive",
        "expert",
        "ours",
        "torch_peers",
        "jax_peer",
        "peers",
        "measure",
        "run",
        "table",
        "machine",
    ],
    "bptt/derivation": [
        "expressions",
        "evaluation",
        "recording",
        "equations",
        "naming",
        "reading",
        "tidying",
        "recurrence",
        "formatting",
        "wording",
        "sizing",
        "code_lines",
        "code_forward",
        "code_backward",
        "code",
        "columns",
        "slopes",
        "readable",
        "formulas",
        "numbers",
        "chains",
        "symbols",
        "styles",
        "documents",
        "checking",
        "worksheets",
        "derive",
    ],
    "lm": ["text", "corpus", "model", "curve", "train"],
    "commands": [
        "common",
        "code",
        "demo",
        "compare",
        "doctor",
        "derive",
        "flow",
        "truncate",
        "drawing",
        "playing",
        "training",
        "sampling",
        "bench",
    ],
}

# The third-party packages, and the rooms that may know them.
THIRD_PARTY = {
    "numpy": None,
    "graphviz": {"draw/graph.py"},
    "matplotlib": {"draw/plots.py"},
    "torch": {"bptt/torch_reference.py", "bench/torch_peers.py"},
    "jax": {"bench/jax_peer.py"},
    "safetensors": {"nn/weights.py"},
}

FILES = sorted(PACKAGE.rglob("*.py"))
NAMES = [path.relative_to(PACKAGE).as_posix() for path in FILES]


def imports(path):
    """Every import in a file, as dotted names, those inside functions too."""
    found = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path.name}: relative import"
            modules = [f"{node.module}.{alias.name}" for alias in node.names]
            found += [name if is_module(name) else node.module for name in modules]
    return found


def is_module(dotted):
    path = PACKAGE.parent.joinpath(*dotted.split("."))
    return path.with_suffix(".py").exists() or path.is_dir()


def ours(path):
    return [name.split(".")[1:] for name in imports(path) if name.split(".")[0] == "tinygrad_rnn"]


@pytest.mark.parametrize("name", NAMES)
def test_imports_run_only_downwards(name):
    room = Path(name).with_suffix("").parts
    if room == ("__init__",):
        assert {parts[0] for parts in ours(PACKAGE / name)} == {"engine", "replay"}
        return
    for parts in ours(PACKAGE / name):
        if not parts:
            assert room[0] == "cli", f"{name} imports the package's own __init__"
            continue
        here, there = FLOORS[room[0]], FLOORS[parts[0]]
        assert parts[0] == room[0] or there < here or room[0] == "cli", f"{name} imports {'.'.join(parts)}"
        if parts[0] == room[0] and len(room) > 1 and room[1] != "__init__" and len(parts) > 1:
            order = ORDERS[room[0]]
            if parts[1] == room[1] == "primitives":
                continue
            upper, lower = room[1], parts[1]
            if upper == lower:  # a room within the room
                order, upper, lower = ORDERS["/".join(room[:2])], room[2], parts[2]
            assert order.index(lower) < order.index(upper), f"{name} imports {'.'.join(parts)}, a later room"


@pytest.mark.parametrize("name", NAMES)
def test_third_party_packages_stay_in_their_rooms(name):
    import sys

    for dotted in imports(PACKAGE / name):
        top = dotted.split(".")[0]
        if top == "tinygrad_rnn" or top in sys.stdlib_module_names:
            continue
        assert top in THIRD_PARTY, f"{name} imports {top}"
        assert THIRD_PARTY[top] is None or name in THIRD_PARTY[top], f"{name} imports {top}"


def test_the_ground_floor_of_the_engine_needs_the_standard_library_alone():
    assert not [name for name in imports(PACKAGE / "engine" / "recording.py") if name.split(".")[0] == "numpy"]


def test_bptt_by_hand_imports_numpy_and_nothing_of_ours():
    tops = {name.split(".")[0] for name in imports(PACKAGE / "bptt" / "by_hand.py")}
    assert tops == {"__future__", "collections", "typing", "numpy"}


@pytest.mark.parametrize("module", [tinygrad_rnn, nn, bptt, draw])
def test_public_names_are_listed_and_documented(module):
    tree = ast.parse(Path(module.__file__).read_text(encoding="utf-8"))
    bound = {
        alias.asname or alias.name
        for node in tree.body
        if isinstance(node, ast.ImportFrom) and node.module != "__future__"
        for alias in node.names
    }
    assert bound == set(module.__all__)
    assert len(module.__all__) == len(set(module.__all__))  # their order is the linter's
    for name in module.__all__:
        assert getattr(module, name).__doc__, f"{module.__name__}.{name} has no docstring"


def test_nothing_recurses_over_the_tape():
    """A function of the engine or the drawing that calls itself by name would die on a long tape."""
    may = {"_values", "_collect", "_built", "_check"}  # descend into the arguments of one call, or in order
    for name in NAMES:
        if not name.startswith(("engine", "draw")):
            continue
        for node in ast.walk(ast.parse((PACKAGE / name).read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef) and node.name not in may:
                calls = [n.func for n in ast.walk(node) if isinstance(n, ast.Call)]
                names = {c.id for c in calls if isinstance(c, ast.Name)}
                names |= {
                    c.attr
                    for c in calls
                    if isinstance(c, ast.Attribute) and isinstance(c.value, ast.Name) and c.value.id == "self"
                }
                assert node.name not in names, f"{name}: {node.name} calls itself"
