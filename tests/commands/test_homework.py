"""Somebody's file, judged by the doctor: from its sources alone, and with a clear word for whatever it does."""

import contextlib
import io
import os
import py_compile
import sys
import textwrap

import numpy as np
import pytest

from tinygrad_rnn import cli
from tinygrad_rnn.bptt.comparison.case import SIGNATURE

RIGHT = """
import numpy as np
def f(params, xs, state, dhs):
    W, U, b = params["weight_ih"], params["weight_hh"], params["bias_ih"] + params["bias_hh"]
    hs = [state[0]]
    for x in xs:
        hs.append(np.tanh(x @ W.T + hs[-1] @ U.T + b))
    dU, dh = np.zeros_like(U), 0
    for t in reversed(range(len(xs))):
        dz = (dhs[t] + dh) * (1 - hs[t + 1] ** 2)
        dU += dz.T @ hs[t]; dh = dz @ U
    return {"weight_hh": dU}
"""
INSIDE = "    hs = [state[0]]\n"


def judge(folder, capsys, source=RIGHT, function="f", *arguments, cell="rnn"):
    """The exit status of the doctor for a file, what it said, and what went to stderr."""
    path = folder / "homework.py"
    if isinstance(source, bytes):
        path.write_bytes(source)
    else:
        path.write_text(textwrap.dedent(source), encoding="utf-8")
    status = cli.main(["doctor", f"{path}:{function}", "--cell", cell, *arguments])
    said = capsys.readouterr()
    assert "Traceback" not in said.err
    return status, said.out, said.err


# ------------------------------------------------------------------------------------------------ sources


def test_a_file_that_is_mended_within_a_second_is_judged_as_it_is(tmp_path, capsys):
    """Of one length and one time of change, as after `cp -p`: Python's own bytecode would be that of the other."""
    wrong = RIGHT.replace("dU += dz", "dU -= dz")
    assert len(wrong) == len(RIGHT)
    for source, status in ((RIGHT, 0), (wrong, 1), (RIGHT, 0)):
        (tmp_path / "homework.py").write_text(source)
        os.utime(tmp_path / "homework.py", (10**9, 10**9))
        assert cli.main(["doctor", f"{tmp_path / 'homework.py'}:f", "--cell", "rnn"]) == status
    capsys.readouterr()
    assert [path.name for path in tmp_path.iterdir()] == ["homework.py"]


@pytest.mark.parametrize("late", [False, True], ids=["at the top", "in the function"])
def test_files_beside_it_are_compiled_anew_too_and_found_late(late, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    (tmp_path / "parts").mkdir()
    for path in (tmp_path / "slopes.py", tmp_path / "parts" / "__init__.py", tmp_path / "parts" / "slopes.py"):
        path.touch()
    line = "from slopes import slope\nfrom parts.slopes import one\n"
    source = RIGHT.replace("1 - hs[t + 1] ** 2", "one * slope(hs[t + 1])")
    source = source.replace(INSIDE, INSIDE + textwrap.indent(line, "    ")) if late else line + source
    imported = {*sys.modules}
    for sign, status in (("-", 0), ("+", 1), ("-", 0)):
        (tmp_path / "slopes.py").write_text(f"slope = lambda h: 1 {sign} h**2\n")
        (tmp_path / "parts" / "slopes.py").write_text("one = 1\n")
        os.utime(tmp_path / "slopes.py", (10**9, 10**9))
        assert judge(tmp_path, capsys, source)[0] == status
    assert not list(tmp_path.rglob("__pycache__"))
    assert {*sys.modules} == imported
    assert str(tmp_path) not in sys.path


def test_bytecode_that_lies_there_is_not_read(tmp_path, capsys):
    (tmp_path / "homework.py").write_text(RIGHT.replace("dU += dz", "dU -= dz"))
    os.utime(tmp_path / "homework.py", (10**9, 10**9))
    py_compile.compile(str(tmp_path / "homework.py"))
    (tmp_path / "homework.py").write_text(RIGHT)
    os.utime(tmp_path / "homework.py", (10**9, 10**9))
    assert cli.main(["doctor", f"{tmp_path / 'homework.py'}:f", "--cell", "rnn"]) == 0
    capsys.readouterr()


@pytest.mark.parametrize(
    "source",
    [
        b"\xef\xbb\xbf" + RIGHT.encode(),
        RIGHT.replace("\n", "\r\n").encode(),
        ("# coding: latin-1\n# h\xe9\n" + RIGHT).encode("latin-1"),
        RIGHT.replace("\n", "\r").encode(),
        RIGHT + "\nif __name__ == '__main__':\n    raise SystemExit('training')\n",
        RIGHT + "\nfrom dataclasses import dataclass\n@dataclass\nclass Kept:\n    h: float\n",
        RIGHT + "\nimport sys\nassert len(sys.argv) == 1\n",
        "from __future__ import annotations\n" + RIGHT,
    ],
    ids=["BOM", "CRLF", "latin-1", "CR", "main", "dataclass", "arguments", "future"],
)
def test_files_as_people_have_them(source, tmp_path, capsys):
    status, out, _ = judge(tmp_path, capsys, source)
    assert (status, out.splitlines()[0]) == (0, "f, BPTT of rnn: right")


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("x = 1\ndef f(:\n", "homework.py, line 2: invalid syntax\nit cannot be read as Python"),
        (b"x = 1\n\ny = '\xe9'\n", "homework.py, line 3: (unicode error) 'utf-8' codec can't decode"),
        (b"# coding: nowhere\n", "homework.py: unknown encoding: nowhere"),
        (b"x = 1\0\n", "homework.py: source code string cannot contain null bytes"),
        ("x = 1".encode("utf-16"), "homework.py: source code string cannot contain null bytes"),
        ("if 1:\n    x = 1\n\ty = 2\n", "homework.py, line 3: "),
        ("(" * 500, "homework.py, line 1: too many nested parentheses"),
        ("\nimport broken\n", "SyntaxError: invalid syntax ({folder}/broken.py, line 2) (line 2)"),
        ("\nx = 1\nimport nowhere_at_all", "ModuleNotFoundError: No module named 'nowhere_at_all' (line 3)"),
        ("from .broken import f", "(line 1)\na file by itself is in no package: write `from helper import f`"),
        ("\nopen('numbers.txt')", "and lies in {folder}: run the command there, or open Path(__file__).parent / 'num"),
        ("open('none.txt')", "(line 1)\nit must be a file that `python FILE.py` runs"),
        ("\nraise MemoryError", "cannot be run: MemoryError (line 2)\nuse less memory: the doctor"),
        ("\nraise GeneratorExit('x')", "cannot be run: GeneratorExit: x (line 2)\nthis is no error of a computation"),
        ("def r(): r()\nr()", "cannot be run: RecursionError"),
        ("\nexit()", "ends the program: exit() (line 2)\nput what only a script does under `if __name__"),
        ("quit(3)", "ends the program: exit(3) (line 1)"),
        ("import sys; sys.exit('bye')", "ends the program: exit('bye') (line 1)"),
        ("import os; os._exit(0)", "ends the program: exit(0) (line 1)"),
        ("import argparse; argparse.ArgumentParser().parse_args(['--no'])", "ends the program: exit(2)"),
    ],
)
def test_a_file_that_cannot_be_run_is_told_with_the_line(source, words, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.StringIO())  # exit() closes it
    (tmp_path / "broken.py").write_text("x = 1\ny = = 2\n")
    (tmp_path / "numbers.txt").touch()
    status, out, err = judge(tmp_path, capsys, source)
    assert (status, out) == (2, "")
    assert words.replace("{folder}", str(tmp_path)) in err


# ------------------------------------------------------------------------------------------------ what it does inside


def inside(line):
    return RIGHT.replace(INSIDE, INSIDE + f"    {line}\n")


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("exit()", "f gave no answer: exit() (line 6)\nput what only a script does"),
        ("import sys; sys.exit(0)", "f gave no answer: exit(0) (line 6)"),
        ("import os; os._exit(0)", "f gave no answer: exit(0) (line 6)"),
        ("raise MemoryError('too large')", "f gave no answer: MemoryError: too large (line 6)\nuse less memory: the"),
        ("raise GeneratorExit('x')", "f gave no answer: GeneratorExit: x (line 6)\nthis is no error of a computation"),
        ("class Stop(BaseException): pass\n    raise Stop", "f gave no answer: Stop (line 7)\nthis is no error of a"),
        ("import nowhere_at_all", "f gave no answer: ModuleNotFoundError: No module named 'nowhere_at_all' (line 6)"),
        ("open('numbers.txt')", "'numbers.txt' is looked for in"),
        ("if len(xs) == 20: exit(1)", "f gave no answer: exit(1) (line 6)"),
    ],
)
def test_what_is_no_answer_is_no_verdict(line, words, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    (tmp_path / "numbers.txt").touch()
    status, out, err = judge(tmp_path, capsys, inside(line))
    assert (status, out) == (2, "")
    assert words in err


def test_other_errors_are_failures_of_the_derivation(tmp_path, capsys):
    for line in ("int('a')", "1 / 0", "raise Exception('two\\nlines')"):
        status, out, _ = judge(tmp_path, capsys, inside(line))
        assert status == 1
        assert "failure: it fails on 21 problems" in out
        assert "(line 6)" in out
    assert "Exception: two; lines" in out


def test_an_interrupt_passes_through(tmp_path, capsys):
    for source in (inside("raise KeyboardInterrupt"), "raise KeyboardInterrupt"):
        before = [*sys.path], os.getcwd(), os._exit
        with contextlib.suppress(KeyboardInterrupt):
            assert judge(tmp_path, capsys, source)[0] == 130
        assert ([*sys.path], os.getcwd(), os._exit) == before


@pytest.mark.parametrize(
    "line",
    [
        "print('hello')",
        "import os; os.chdir('/')",
        "np.seterr(all='raise')",
        "import warnings; warnings.simplefilter('error')",
        "np.random.seed(0); import random; random.seed(0)",
        "np.set_printoptions(precision=1)",
        "import sys; sys.path.clear()",
        "import sys; sys.stdout = None",
        "import sys; sys.stderr = None",
        "import sys; sys.stdout = sys.stderr = sys.stdin = None",
        "import sys; sys.argv.clear()",
    ],
)
@pytest.mark.parametrize("where", ["at the top", "in the function"])
def test_what_it_changes_for_all_spoils_nothing(line, where, tmp_path, capsys):
    before = np.geterr(), os.getcwd(), [*sys.path], [*sys.argv], sys.stdout, sys.stderr, sys.stdin
    source = (
        inside(line)
        if where == "in the function"
        else RIGHT.replace("import numpy as np\n", f"import numpy as np\n{line}\n")
    )
    options = np.get_printoptions()
    status, out, err = judge(tmp_path, capsys, source)
    np.set_printoptions(**options)
    assert (status, out.splitlines()[0]) == (0, "f, BPTT of rnn: right")
    assert ("hello" in err) == ("hello" in line)
    after = np.geterr(), os.getcwd(), [*sys.path], [*sys.argv], sys.stdout, sys.stderr, sys.stdin
    assert after == before


def test_a_file_may_change_into_its_own_folder(tmp_path, capsys):
    (tmp_path / "one.txt").write_text("1")
    line = "np.loadtxt('one.txt')"
    source = f"import os; os.chdir(os.path.dirname(__file__))\n{inside(line)}"
    assert judge(tmp_path, capsys, source)[0] == 0


# ------------------------------------------------------------------------------------------------ names


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (RIGHT + "\ndef g(): pass\nh = np.tanh\nx = 3\nclass M: pass\n", "has no function 'nope'\nit has f, g, M\n"),
        ("nope = 3\n", "has no function 'nope': it is a int there\nit has none"),
        (
            "from functools import partial\nfrom beside import deco\n@deco\ndef a(): pass\nb = partial(a)\n",
            "has deco, a, b",
        ),
    ],
)
def test_a_name_that_is_not_there_is_told_with_those_that_are(source, words, tmp_path, capsys):
    (tmp_path / "beside.py").write_text("def deco(f):\n    def inner(): pass\n    return inner\n")
    status, _, err = judge(tmp_path, capsys, source, "nope")
    assert status == 2
    assert words in err


def test_a_path_that_is_no_file_is_told(tmp_path, capsys):
    (tmp_path / "folder.py").mkdir()
    (tmp_path / "notes.txt").write_text("f = 1")
    for name, words in (
        ("folder.py", "folder.py: is no file"),
        ("notes.txt", "this is no Python file\nits name must end in .py"),
        ("none.py", "there is no such file\ngive it as FILE.py:function"),
    ):
        assert cli.main(["doctor", f"{tmp_path / name}:f", "--cell", "rnn"]) == 2
        assert words in capsys.readouterr().err


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("f = dict", "dict cannot be called as dict(params, xs, state, dhs): dict expected at most 1 argument, got 4"),
        ("f = int", "int cannot be called as int(params, xs, state, dhs): int() takes at most 2 arguments"),
        ("f = object", "object cannot be called as object(params, xs, state, dhs): object() takes no arguments"),
        ("def f(params, xs): pass", "f cannot be called as f(params, xs, state, dhs): f() takes 2 positional"),
        ("def f(a, b, c, d, e): pass", "f cannot be called as f(params, xs, state, dhs): f() missing 1 required pos"),
        ("def f(*, dlast): pass", "f cannot be called as f(params, xs, state, dhs, dlast=...): f() takes 0 positional"),
        ("def f(a, b, c, d, *, rate): pass", "f() missing 1 required keyword-only argument: 'rate'"),
        ("class f:\n  def __init__(self, a): pass", "f cannot be called as f(params, xs, state, dhs): f.__init__()"),
        ("from functools import partial\nf = partial(lambda a: a, 1)", "<lambda> cannot be called as <lambda>(params"),
        ("f = print", "doctor: print returned a NoneType\nreturn a dict of gradients"),
        ("f = zip", "doctor: zip returned a zip\nreturn a dict of gradients"),
        ("def f(a, b, c, d):\n  yield 1", "doctor: f returned a generator\nreturn a dict of gradients"),
    ],
)
def test_what_is_no_derivation_is_told_with_what_one_is(source, words, tmp_path, capsys):
    status, out, err = judge(tmp_path, capsys, source)
    assert (status, out) == (2, "")
    assert words in err
    if "called" in words:
        assert err.splitlines()[1:] == [SIGNATURE]


def test_what_can_be_called_so_is_a_derivation_whatever_it_is(tmp_path, capsys):
    """A class, a bound method, a partial, an object: none is judged by its kind."""
    forms = (
        "def g(self, *args): return f(*args)\nclass A:\n    go = g\n    __call__ = g\na = A()\nm = A().go\n"
        "from functools import partial\np = partial(f)\nq = lambda *args, **more: f(*args)\n"
        "class C(dict):\n    def __init__(self, *args): super().__init__(f(*args))\n"
    )
    for name in "ampqC":
        assert judge(tmp_path, capsys, RIGHT + forms, name)[0] == 0, name


# ------------------------------------------------------------------------------------------------ examples


OWN = """
import numpy as np
def cell(params, x, h):
    return np.tanh(x @ params["W"] + h @ params["U"])
def example(rng, T, B):
    W, U, xs, h = rng.normal(0, .5, (2, 3)), rng.normal(0, .5, (3, 3)), rng.normal(size=(T, B, 2)), np.zeros((B, 3))
    return {"W": W, "U": U}, xs, h
def f(params, xs, state, dhs):
    W, U, hs = params["W"], params["U"], [state[0]]
    for x in xs: hs.append(np.tanh(x @ W + hs[-1] @ U))
    dU, dh = 0, 0
    for t in reversed(range(len(xs))):
        dz = (dhs[t] + dh) * (1 - hs[t + 1] ** 2); dU = dU + hs[t].T @ dz; dh = dz @ U.T
    return {"U": dU}
"""


@pytest.mark.parametrize(
    ("old", "new", "status", "words"),
    [
        ("", "", 0, "f, BPTT of cell: right"),
        ("return {", "xs[0, 0, 0] = np.nan; return {", 2, "tests nothing: NaN or infinity in xs\ngive an example"),
        ("return {", "h[0, 0] = np.inf; return {", 2, "tests nothing: NaN or infinity in state[0]"),
        ("return {", "U[0, 0] = np.nan; return {", 2, "tests nothing: NaN or infinity in U"),
        ("np.tanh(x @ params", "np.sqrt(0 * h) + np.tanh(x @ params", 2, "tests nothing: NaN or infinity in d"),
        ("return {", "W = 0 * W; return {", 0, "dU is zero on every problem"),
        ("return np.tanh(x", "return 0 * np.tanh(x", 2, "every gradient of cell is zero on every problem"),
        ("return {", "exit(); return {", 2, "example(rng, T=4, B=3) failed: exit()\nit returns (params, xs, state)"),
        ("return np.tanh(x", "exit(); return np.tanh(x", 2, "the cell cell fails on its example: exit()"),
        ("return {", "raise MemoryError; return {", 2, "example(rng, T=4, B=3) failed: MemoryError\n"),
        ("return {", "raise GeneratorExit; return {", 2, "example(rng, T=4, B=3) failed: GeneratorExit\nit returns"),
        ("return np.tanh(x", "raise GeneratorExit\n    return np.tanh(x", 2, "fails on its example: GeneratorExit\n"),
    ],
)
def test_examples_that_test_nothing_are_refused(old, new, status, words, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    found, out, err = judge(tmp_path, capsys, OWN.replace(old, new, 1) if old else OWN, cell="cell")
    assert words in out + err
    assert found == status
