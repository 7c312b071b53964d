"""The floors of the house: imports run only downwards, and each public name is listed."""

import ast
import importlib
import sys
from pathlib import Path
from types import ModuleType

import pytest
from floors import FLOORS

import tinygrad_rnn
from tinygrad_rnn import bptt, draw, nn

PACKAGE = Path(tinygrad_rnn.__file__).parent

CORE = ["recording", "table", "sparse", "tensor", "backward", "tape"]
"""The six files of the engine, in the order in which they are read."""

# The third-party packages, and the rooms that may know them.
THIRD_PARTY = {
    "numpy": None,
    "graphviz": {"draw/dot.py"},
    "matplotlib": {"draw/plots.py"},
    "torch": {"bptt/comparison/torch_reference.py", "bptt/homework/adapters.py", "bench/torch_peers.py"},
    "jax": {"bptt/homework/adapters.py", "bench/jax_peer.py"},
    "safetensors": {"nn/parameter_files.py"},
    "IPython": {"notebook/live_display.py"},
}

FILES = sorted(PACKAGE.rglob("*.py"))
PACKAGES = sorted({".".join(("tinygrad_rnn", *path.relative_to(PACKAGE).parts[:-1])) for path in FILES})
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
    room = Path(name).parts[0].removesuffix(".py")
    for parts in ours(PACKAGE / name):
        if not parts:
            assert room == "cli", f"{name} imports the package's own __init__"
        elif room != "__init__":
            assert parts[0] == room or FLOORS[parts[0]] < FLOORS[room], f"{name} imports {'.'.join(parts)}"


def test_no_imports_run_in_a_circle():
    above = {name: {file_of(parts) for parts in ours(PACKAGE / name) if parts} for name in NAMES}
    while above:
        free = {name for name, below in above.items() if not below & above.keys() - {name}}
        assert free, f"a circle of imports: {sorted(above)}"
        above = {name: below for name, below in above.items() if name not in free}


def file_of(parts):
    path = PACKAGE.joinpath(*parts)
    return (path / "__init__.py" if path.is_dir() else path.with_suffix(".py")).relative_to(PACKAGE).as_posix()


def test_no_module_has_the_name_of_another():
    names = [Path(name).stem for name in NAMES if not Path(name).stem.startswith("__")]
    assert sorted(names) == sorted(set(names))


def test_no_file_of_tests_has_the_name_of_another():
    """Pytest imports them by their names alone."""
    names = [path.name for path in Path(__file__).parent.rglob("*.py") if path.name != "conftest.py"]
    assert sorted(names) == sorted(set(names))


@pytest.mark.parametrize("package", PACKAGES)
def test_no_function_hides_the_module_of_its_name(package):
    module = importlib.import_module(package)
    for name in getattr(module, "__all__", ()):
        folder = Path(module.__file__).parent
        is_file = (folder / f"{name}.py").exists() or (folder / name).is_dir()
        assert not is_file or isinstance(getattr(module, name), ModuleType), f"{package}.{name}"


def test_the_engine_is_read_in_one_sitting_and_stands_on_numpy_alone():
    files = [PACKAGE / "core" / f"{name}.py" for name in CORE]
    assert sum(len(file.read_text(encoding="utf-8").splitlines()) for file in files) <= 800
    for file in (PACKAGE / "core").glob("*.py"):
        tops = {".".join(name.split(".")[:2]) for name in imports(file)}
        assert {top for top in tops if top.split(".")[0] not in sys.stdlib_module_names} <= ALLOWED_IN_CORE, file.name


ALLOWED_IN_CORE = {"numpy", "numpy.typing", "tinygrad_rnn.core"}


@pytest.mark.parametrize("name", NAMES)
def test_third_party_packages_stay_in_their_rooms(name):
    for dotted in imports(PACKAGE / name):
        top = dotted.split(".")[0]
        if top == "tinygrad_rnn" or top in sys.stdlib_module_names:
            continue
        assert top in THIRD_PARTY, f"{name} imports {top}"
        assert THIRD_PARTY[top] is None or name in THIRD_PARTY[top], f"{name} imports {top}"


def test_bptt_by_hand_imports_numpy_and_nothing_of_ours():
    tops = {name.split(".")[0] for name in imports(PACKAGE / "bptt" / "comparison" / "by_hand.py")}
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
    may = {
        "_values",
        "_collect",
        "_built",
        "_check",
        "without_tensors",
        "plain",
    }  # descend into the arguments of one call, or in order, or into a result
    for name in NAMES:
        if not name.startswith(("core", "operations", "tape", "transforms", "draw")):
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


def test_rooms_have_the_names_that_older_code_uses():
    from tinygrad_rnn.replay import compile_tape

    from tinygrad_rnn.draw import cuts, truncation_bars

    assert cuts is truncation_bars
    assert compile_tape is tinygrad_rnn.compiler.compile_tape
    assert importlib.import_module("tinygrad_rnn.replay") is tinygrad_rnn.replay is tinygrad_rnn.compiler


@pytest.mark.parametrize("name", [name for name in NAMES if not name.startswith(("core", "tape"))])
def test_no_room_reads_what_is_private_to_the_engine(name):
    for node in ast.walk(ast.parse((PACKAGE / name).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Attribute) and node.attr in ("_data", "_tape", "_lines"):
            own = isinstance(node.value, ast.Name) and node.value.id == "self"
            assert own, f"{name}:{node.lineno} reads {node.attr}"
