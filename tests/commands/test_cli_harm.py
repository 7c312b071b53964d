"""What a command line can meet: closed streams, full disks, interrupts, names and numbers of every kind.

Each is quiet or said in two lines, with its status, and leaves nothing half-written.
"""

import fcntl
import io
import os
import pty
import signal
import stat
import struct
import subprocess
import sys
import termios
import textwrap
import threading
from functools import partial

import numpy as np
import pytest
from test_chosen_cell import FILE

from tinygrad_rnn import cli, files
from tinygrad_rnn.commands import common, progress_line, training

OWN = f"{FILE.replace('print', 'str')}def both(W):\n    return (W * W).sum(), 2 * W\n"

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals, pipes and closed streams of POSIX")

SMALL = {
    "demo": ["--out", "{out}/demo"],
    "compare": ["--hidden", "2", "--steps", "2"],
    "derive": ["--cell", "rnn"],
    "flow": ["--cells", "rnn", "--steps", "3", "--hidden", "2"],
    "truncate": ["--steps", "5", "--hidden", "2", "--draws", "2", "--cell", "rnn"],
    "draw": ["--ascii"],
}
"""Commands that print what they find."""
MORE = {
    "doctor": ["own.py:by_hand", "--cell", "cell"],
    "examine": ["own.py:both", "'np.ones(2)'"],
    "draw -": ["-o", "-", "--engine", "grid"],
    "play -": ["-o", "-"],
    "compare -": ["--hidden", "2", "--steps", "2", "--json", "-"],
    "train": ["--text", "{book}", "--hidden", "4", "--window", "10", "--batch", "4", "--epochs", "1", "--out", "run"],
    "bench": ["--cells", "rnn", "--sizes", "1:1:1:1", "--rounds", "1"],
    "--help": [],
}
"""The other commands, and results on the standard output; the first word is the command."""

WRITING = {
    "derive": ["--cell", "rnn", "--out", "{file}.txt"],
    "flow": ["--cells", "rnn", "--steps", "3", "--hidden", "2", "-o", "{file}.svg"],
    "truncate": ["--steps", "5", "--hidden", "2", "--draws", "2", "--cell", "rnn", "-o", "{file}.svg"],
    "draw": ["--engine", "grid", "-o", "{file}.svg"],
    "play": ["-o", "{file}.html"],
    "bench": ["--cells", "rnn", "--sizes", "1:1:1:1", "--rounds", "1", "--json", "{file}.json"],
}
"""Commands that write into a file."""
EVERY = (
    *("demo", "compare", "doctor f.py:f --cell rnn", "examine f.py:f", "mark folder --task task.py"),
    *("derive --cell rnn", "flow", "truncate", "draw", "play -o x.html", "train --out x", "sample --from x", "bench"),
)
"""A line for each command."""


@pytest.fixture
def book(tmp_path):
    path = tmp_path / "book.txt"
    path.write_text("the quick brown fox jumps over the lazy dog " * 20, encoding="utf-8")
    return path


def filled(arguments, **places):
    return [argument.format(**places) for argument in arguments]


def shell(words, **options):
    """Run a line of the shell in which `tg` is the command."""
    tg = f'tg() {{ "{sys.executable}" -m tinygrad_rnn "$@"; }}\n'
    return subprocess.run(["bash", "-c", tg + words], capture_output=True, text=True, check=False, **options)


def said_in_two_lines(error):
    assert "Traceback" not in error
    lines = error.splitlines()
    assert len(lines) == 2, error
    assert lines[0].startswith("tinygrad-rnn: error: ")
    return error


# ---------------------------------------------------------------------------------------------- streams


@pytest.mark.slow
@pytest.mark.parametrize("command", [*SMALL, *(pytest.param(command, marks=pytest.mark.slow) for command in MORE)])
def test_a_reader_that_goes_away_is_no_error(command, tmp_path, book):
    (tmp_path / "own.py").write_text(OWN, encoding="utf-8")
    words = " ".join([command.partition(" ")[0], *filled((SMALL | MORE)[command], out=tmp_path, book=book)])
    done = shell(f"tg {words} | true; exit ${{PIPESTATUS[0]}}", cwd=tmp_path)
    assert done.stderr == ""
    assert done.returncode in (0, 141)


@pytest.mark.slow
@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="this system has no device that is full")
@pytest.mark.parametrize("command", [*SMALL, "--help"])
def test_output_that_does_not_go_onto_the_disk_is_an_error(command, tmp_path):
    words = " ".join([command, *filled(SMALL.get(command, []), out=tmp_path)])
    done = shell(f"tg {words} > /dev/full", cwd=tmp_path)
    assert done.returncode == 2
    assert "standard output: No space left on device\nmake room" in said_in_two_lines(done.stderr)


@pytest.mark.slow
def test_streams_that_are_closed(book, tmp_path):
    train = f"train --text {book} --hidden 4 --window 10 --batch 4 --epochs 1 --out"
    for k, closed in enumerate(("2>&-", ">&-", ">&- 2>&-", "<&- >&- 2>&-")):
        done = shell(f"tg {train} run{k} {closed}", cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        assert sorted(os.listdir(tmp_path / f"run{k}")) == ["checkpoint.npz", "curve.svg", "log.csv", "samples.txt"]
        assert np.load(tmp_path / f"run{k}" / "checkpoint.npz")["plain"].size  # nothing was printed into it
    done = shell("tg derive --cell rnn >&-", cwd=tmp_path)
    assert done.returncode == 2
    assert "standard output is closed" in said_in_two_lines(done.stderr)
    done = shell("tg derive --cell none.py:elman 2>&-; echo $?; tg compare --steps 0 2>&-; echo $?", cwd=tmp_path)
    assert done.stdout == "2\n2\n"


def test_a_file_that_closes_the_standard_output_ends_in_words(tmp_path):
    """Python's own attempt to flush at its end, status 120, is not what the command says."""
    (tmp_path / "closing.py").write_text("import os\nos.close(1)\ndef f(params, xs, state, dhs): return {}\n")
    done = shell("tg doctor closing.py:f --cell rnn", cwd=tmp_path)
    assert done.returncode == 2
    assert "standard output: Bad file descriptor" in said_in_two_lines(done.stderr)


def test_without_streams_at_all(book, tmp_path, monkeypatch):
    """As where a program of windows runs, which has none."""
    monkeypatch.setattr(sys, "stderr", None)
    monkeypatch.setattr(sys, "stdout", None)
    arguments = ["--text", str(book), "--hidden", "4", "--window", "10", "--batch", "4", "--epochs", "1"]
    assert cli.main(["train", *arguments, "--out", str(tmp_path / "run")]) == 0
    assert cli.main(["derive", "--cell", "rnn"]) == 2
    assert sys.stdout is sys.stderr is None


# ---------------------------------------------------------------------------------------------- files


@pytest.mark.parametrize("command", WRITING)
def test_what_is_written_goes_through_links_and_never_over_what_is_read_only(command, tmp_path, capfd):
    pytest.importorskip("matplotlib", reason="the figure of flow needs the extra `plot`")
    ending = WRITING[command][-1].removeprefix("{file}")
    target, link, closed = (tmp_path / f"{name}{ending}" for name in ("target", "link", "closed"))
    target.write_text("precious", encoding="utf-8")
    link.symlink_to(target.name)
    assert cli.main([command, *filled(WRITING[command], file=tmp_path / "link")]) == 0
    assert link.is_symlink()
    assert target.stat().st_size > 100
    closed.write_text("precious", encoding="utf-8")
    closed.chmod(0o444)
    capfd.readouterr()
    assert cli.main([command, *filled(WRITING[command], file=tmp_path / "closed")]) == 2
    said = capfd.readouterr()
    assert "the file is read-only" in said_in_two_lines(said.err)
    assert said.out == ""  # found out before the work
    assert closed.read_text(encoding="utf-8") == "precious"
    assert sorted(os.listdir(tmp_path)) == sorted(path.name for path in (target, link, closed))


@pytest.mark.parametrize("command", WRITING)
@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("", "an ending without a name|, as '.'"),
        ("a\nb", "control characters"),
        ("none/a", "no folder"),
        ("a" * 300, "too long"),
    ],
    ids=["empty", "line", "folder", "long"],
)
def test_names_that_cannot_be_written_are_told_before_the_work(command, name, words, tmp_path, capfd, monkeypatch):
    pytest.importorskip("matplotlib", reason="the figure of flow needs the extra `plot`")
    monkeypatch.chdir(tmp_path)
    if not name and command in ("derive", "bench"):
        pytest.skip("they take any ending, so that a name may be what is an ending elsewhere")
    assert cli.main([command, *filled(WRITING[command], file=name)]) == 2
    said = capfd.readouterr()
    assert any(word in said_in_two_lines(said.err) for word in words.split("|"))
    assert said.out == ""
    assert not os.listdir(tmp_path)


@pytest.mark.parametrize("command", WRITING)
def test_a_name_that_ends_as_that_of_a_folder_is_no_file(command, tmp_path, capfd):
    pytest.importorskip("matplotlib", reason="the figure of flow needs the extra `plot`")
    *others, name = filled(WRITING[command], file=tmp_path / "a")
    for there in (False, True):
        assert cli.main([command, *others, f"{name}/"]) == 2
        said = capfd.readouterr()
        assert said_in_two_lines(said.err).endswith("ends as the name of a folder does\ngive the name of a file\n")
        assert said.out == ""
        assert os.listdir(tmp_path) == [os.path.basename(name)] * there
        files.write(name, "precious")
    assert files.read_text(name) == "precious"


@pytest.mark.slow
def test_a_folder_may_end_as_one(book, tmp_path, capfd):
    small = ["--hidden", "4", "--window", "10", "--batch", "4", "--epochs", "1"]
    assert cli.main(["train", "--text", str(book), *small, "--out", f"{tmp_path}/run/"]) == 0
    assert cli.main(["sample", "--from", f"{tmp_path}/run/", "--length", "3"]) == 0
    assert cli.main(["demo", "--text", str(book), "--out", f"{tmp_path}/demo/"]) == 0
    assert len(os.listdir(tmp_path / "demo")) == 10
    for command in (["demo", "--out", f"{tmp_path}/no"], ["train", *small, "--out", f"{tmp_path}/no"]):
        assert cli.main([*command, "--text", f"{book}/"]) == 2
        assert "ends as the name of a folder does" in said_in_two_lines(capfd.readouterr().err)


@pytest.mark.parametrize("command", [*WRITING, "demo", "train", "sample"])
def test_an_empty_path_is_no_path(command, capsys):
    """As a script gives it whose variable is not set."""
    option = {"derive": "--out", "bench": "--json", "demo": "--out", "train": "--out", "sample": "--from"}.get(
        command, "-o"
    )
    with pytest.raises(SystemExit) as stop:
        cli.main([command, option, ""])
    assert stop.value.code == 2
    assert "an empty name: give a path" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.parametrize("command", WRITING)
def test_a_disk_that_is_full_halfway_leaves_what_was_there(command, tmp_path):
    pytest.importorskip("matplotlib", reason="the figure of flow needs the extra `plot`")
    ending = WRITING[command][-1].removeprefix("{file}")
    path = tmp_path / f"old{ending}"
    path.write_text("precious", encoding="utf-8")
    words = " ".join([command, *filled(WRITING[command], file=tmp_path / "old")])
    done = shell(
        f"ulimit -f 0; tg {words} | cat", cwd=tmp_path, env={**os.environ, "MPLCONFIGDIR": str(tmp_path / "m")}
    )
    assert f"{path}: cannot be written: File too large\nmake room" in done.stderr
    assert path.read_text(encoding="utf-8") == "precious"
    assert {"m", path.name} >= set(os.listdir(tmp_path))


def test_what_is_read_is_not_written_over(book, tmp_path, capsys):
    own = tmp_path / "own.py"
    own.write_text("precious", encoding="utf-8")
    for arguments in (
        ["derive", "--cell", f"{own}:cell", "--out", str(own)],
        ["derive", "--cell", "rnn", "--blank", "2", "--out", str(tmp_path / "a"), "--answers", f"{tmp_path}/./a"],
    ):
        assert cli.main(arguments) == 2
        assert "are the same file" in said_in_two_lines(capsys.readouterr().err)
    picture = tmp_path / "text.svg"
    picture.write_bytes(book.read_bytes())
    assert cli.main(["truncate", "--text", str(picture), "-o", str(picture)]) == 2
    assert "are the same file" in capsys.readouterr().err
    assert own.read_text(encoding="utf-8") == "precious"
    assert picture.read_bytes() == book.read_bytes()


def test_worksheets_are_asked_for_in_full_and_written_both_or_neither(tmp_path, capsys):
    sheet = ["derive", "--cell", "rnn", "--out", str(tmp_path / "sheet")]
    for more, words in (
        (["--blank", ""], "--blank '': no line is named"),
        (["--blank", " , "], "no line is named"),
        (["--blank", "dz,"], "no line is named"),
        (["--blank", "0"], "no line is named"),
        (["--blank", "²"], "there is no line '²'"),
        (["--blank", "2", "--answers", str(tmp_path / "none" / "a")], "there is no folder"),
        (["--answers", str(tmp_path / "a")], "there is no worksheet"),
    ):
        assert cli.main([*sheet, *more]) == 2
        assert words in said_in_two_lines(capsys.readouterr().err)
        assert not os.listdir(tmp_path)


def test_demo_makes_no_folder_for_nothing_and_says_where_it_cannot(book, tmp_path, capsys):
    assert cli.main(["demo", "--out", str(tmp_path / "out"), "--text", str(tmp_path / "none")]) == 2
    assert not (tmp_path / "out").exists()
    capsys.readouterr()
    for place in (book, book / "out"):
        assert cli.main(["demo", "--out", str(place)]) == 2
        assert "give the name of a folder" in said_in_two_lines(capsys.readouterr().err)


@pytest.mark.slow
def test_the_standard_output_holds_what_was_asked_for_alone(tmp_path):
    done = shell(
        "tg derive --cell rnn > plain; tg derive --cell rnn --out /dev/stdout > named; cmp plain named", cwd=tmp_path
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_pipe_is_written_into(tmp_path):
    done = shell("mkfifo pipe; cat pipe > read & tg derive --cell rnn --out pipe; wait", cwd=tmp_path)
    assert done.stdout == "wrote pipe\n"
    assert "BPTT of rnn" in (tmp_path / "read").read_text(encoding="utf-8")
    assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)


# ---------------------------------------------------------------------------------------------- signals


@pytest.mark.parametrize(("name", "status"), [("SIGINT", 130), ("SIGTERM", 143), ("SIGHUP", 129)])
def test_every_command_ends_in_one_line_where_it_is_asked_to(name, status, monkeypatch, capsys):
    def run(options):
        os.kill(os.getpid(), getattr(signal, name))
        for _ in range(1_000_000):  # the handler runs between two steps of Python's
            pass
        raise AssertionError("the signal did not arrive")

    usual = {
        signal.SIGINT: signal.default_int_handler,
        signal.SIGTERM: signal.SIG_DFL,
        signal.SIGHUP: signal.SIG_DFL,  # nohup ignores it
    }
    before = {number: signal.signal(number, handler) for number, handler in usual.items()}
    try:
        for command in cli.COMMANDS:
            monkeypatch.setattr(command, "run", run)
        for words in EVERY:
            assert cli.main(words.split()) == status
            said = capsys.readouterr()
            assert said.out == ""
            assert said.err == f"tinygrad-rnn: {'interrupted' if name == 'SIGINT' else f'ended by {name}'}\n"
            assert {number: signal.getsignal(number) for number in usual} == usual
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP"])
def test_a_run_that_is_ended_keeps_its_last_window(name, book, tmp_path):
    command = [sys.executable, "-m", "tinygrad_rnn", "train", "--text", str(book), "--hidden", "4", "--window", "10"]
    command += ["--batch", "4", "--epochs", "100000", "--out", str(tmp_path / "run")]
    number = getattr(signal, name)
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    listens = partial(signal.signal, number, signal.SIG_DFL)  # a child ignores what its parent ignores
    with subprocess.Popen(command, preexec_fn=listens, **pipes) as run:
        try:
            while not (tmp_path / "run" / "samples.txt").exists():
                assert run.poll() is None, run.stderr.read()
            run.send_signal(number)
            out, err = run.communicate(timeout=60)
        finally:
            run.kill()
    assert run.returncode == 128 + getattr(signal, name)
    assert "go on with: tinygrad-rnn train --resume" in out
    assert err == f"tinygrad-rnn: ended by {name}\n"
    files_of_a_run = ["checkpoint.npz", "curve.svg", "log.csv", "samples.txt"]
    assert sorted(os.listdir(tmp_path / "run")) == files_of_a_run


def test_an_interrupt_while_the_command_is_imported_is_one_line_too(tmp_path):
    """A module of the command stands for the moment at which the interrupt comes."""
    interrupts = """
        import sys, tinygrad_rnn.__main__
        class Interrupts:
            def find_spec(self, name, *_):
                if name == "tinygrad_rnn.commands":
                    raise KeyboardInterrupt
        sys.meta_path.insert(0, Interrupts())
        sys.exit(tinygrad_rnn.__main__.main())
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(interrupts)], capture_output=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (130, b"", b"tinygrad-rnn: interrupted\n")


@pytest.mark.parametrize("started", ["-m", "tinygrad-rnn", "tinygrad-rnn.exe", "program.py"])
def test_an_interrupt_while_the_package_is_imported_is_one_line_in_the_command_alone(started):
    """NumPy stands for all that the package imports. A program that imports the package keeps its traceback."""
    interrupts = f"""
        import sys
        sys.argv = [{started!r}]
        class Interrupts:
            def find_spec(self, name, *_):
                if name == "numpy":
                    raise KeyboardInterrupt
        sys.meta_path.insert(0, Interrupts())
        import tinygrad_rnn
    """
    command = [sys.executable, "-c", textwrap.dedent(interrupts)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if started == "program.py":
        assert "Traceback" in done.stderr
    else:
        assert (done.returncode, done.stdout, done.stderr) == (130, "", "tinygrad-rnn: interrupted\n")


# ---------------------------------------------------------------------------------------------- errors of every kind


@pytest.mark.parametrize(
    "error",
    [LookupError("x"), KeyError("x"), AttributeError("x"), ImportError("x"), GeneratorExit("x"), SystemExit(0),
     RecursionError("deep"), AssertionError(), ValueError(), StopIteration(),
     UnicodeEncodeError("ascii", "ħ", 0, 1, "x")],
    ids=lambda error: type(error).__name__,
)  # fmt: skip
def test_no_error_ends_in_a_traceback_nor_with_the_status_of_a_comparison(error, monkeypatch, capsys):
    def fails(*_, **__):
        raise error

    monkeypatch.setattr("tinygrad_rnn.bptt.compare", fails)
    assert cli.main(["compare"]) == 2
    said = capsys.readouterr().err
    assert "Traceback" not in said
    assert type(error).__name__ in said or str(error) in said


@pytest.mark.slow
def test_too_little_memory_is_told(book, tmp_path, capsys):
    big = ["--hidden", "300000"]
    for command in (
        ["compare", *big],
        ["flow", "--cells", "rnn", *big],
        ["draw", *big, "-o", str(tmp_path / "x.svg")],
        ["play", *big, "-o", str(tmp_path / "x.html")],
        ["truncate", "--steps", "9", *big],
        ["train", "--text", str(book), "--window", "10", "--batch", "4", *big, "--out", str(tmp_path / "run")],
        ["compare", "--steps", "100000000", "--batch", "100000000", "--input", "1000"],
    ):
        assert cli.main(command) == 2
        error = said_in_two_lines(capsys.readouterr().err)
        assert "not enough memory: " in error
        assert error.endswith("\nask for smaller sizes\n")
    assert os.listdir(tmp_path) == ["book.txt"]


@pytest.mark.parametrize("value", ["0", "-1", "1.5", "1e9", "nan", "", "²", "9" * 30, "abc"])
def test_sizes_that_are_none(value, tmp_path, capsys):
    for command, option in (
        ("compare", "--steps"), ("compare", "--hidden"), ("draw", "--ends"), ("flow", "--batch"),
        ("truncate", "--length"),
        ("truncate", "--draws"), ("train", "--window"), ("train", "--epochs"), ("sample", "--length"),
        ("bench", "--rounds"),
        ("derive", "--steps"), ("play", "--input"),
    ):  # fmt: skip
        with pytest.raises(SystemExit) as stop:
            cli.main([command, f"{option}={value}"])
        assert stop.value.code == 2
        said = capsys.readouterr().err
        assert f"argument {option}: " in said
        assert any(
            word in said for word in ("is not a whole number, as 2", "is not at least", "is more than 100,000,000")
        )


@pytest.mark.parametrize("option", ["--rate", "--clip", "--dropout", "--validate"])
def test_numbers_that_are_none(option, capsys):
    with pytest.raises(SystemExit):
        cli.main(["train", "--out", "x", option, "abc"])
    assert f"argument {option}: 'abc' is not a number, as 0.5" in capsys.readouterr().err


def test_control_characters_do_not_reach_the_terminal(tmp_path, capsys):
    with pytest.raises(SystemExit):
        cli.main(["compare", "--cell", "rnn", "\x1b[31m"])
    assert "unrecognized arguments: \\x1b[31m" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        cli.main(["derive", "--cell", "\x1b]0;x\x07"])
    assert "\\x1b]0;x\\x07" in capsys.readouterr().err
    assert cli.main(["truncate", "--text", "a\x1bb"]) == 2
    assert "control characters" in said_in_two_lines(capsys.readouterr().err)


@pytest.mark.parametrize("value", ["W=weight_ih,W=weight_hh", "W=weight_ih,U=weight_ih", "W= ", "=", "a=b=c", ""])
def test_names_are_one_for_one(value, capsys):
    with pytest.raises(SystemExit):
        cli.main(["derive", "--cell", "rnn", "--names", value])
    said = capsys.readouterr().err
    assert "twice: each name stands for one other" in said or "write theirs=ours" in said


def test_other_poor_choices_are_told(tmp_path, capsys):
    for arguments, words in (
        (["draw", "-o", str(tmp_path / ".svg")], "'.svg' is an ending without a name"),
        (["draw", "-o", str(tmp_path / "x.png"), "--engine", "grid"], "the grid draws .svg alone"),
        (["derive", "--cell", "rnn", "--steps", "100"], "has too many chains to write out\ntake a smaller T"),
        (["derive", "--cell", "residual_rnn", "--steps", "40"], "has too many chains to write out"),
        (["bench", "--coretype", ""], "bench: --coretype is empty"),
    ):
        assert cli.main(arguments) == 2
        assert words in said_in_two_lines(capsys.readouterr().err)
    assert not os.listdir(tmp_path)


# ---------------------------------------------------------------------------------------------- the terminal


@pytest.mark.parametrize(
    ("columns", "variable"), [(80, None), (20, None), (200, None), (3, None), (80, "30"), (30, "80")]
)
def test_progress_fits_the_terminal(columns, variable, monkeypatch):
    master, terminal = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    if variable:
        monkeypatch.setenv("COLUMNS", variable)
    else:
        monkeypatch.delenv("COLUMNS", raising=False)
    with open(terminal, "w", encoding="utf-8") as stream:
        monkeypatch.setattr(sys, "stderr", stream)
        parts = {"epoch": "epoch 1/10", "loss": "loss 3.2", "perplexity": "perplexity 24.5", "norm": "|g| 1.00"}
        line = progress_line._fitting(
            {**parts, "rate": "9 characters/s", "left": "0:00:01 left"}, progress_line._columns() - 1, training.SPARE
        )
        monkeypatch.undo()
    os.close(master)
    assert len(line) == min(columns, int(variable or columns)) - 1
    assert line.startswith("epoch 1/10"[: len(line)])


@pytest.mark.parametrize("shown", [True, False])
def test_a_long_run_says_what_it_is_at_on_a_terminal_alone(shown, monkeypatch):
    written = threading.Event()

    class Terminal(io.StringIO):
        def isatty(self):
            return shown

        def write(self, text):
            if "2/3" in text and "7 of 9" in text:
                written.set()
            return super().write(text)

    stream = Terminal()
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setattr(progress_line, "QUIET", 0.0)
    monkeypatch.setattr(progress_line, "EVERY", 0.001)
    progress = progress_line.Progress("flow")
    with progress("lstm", 2, 3):
        progress.say("7 of 9")
        assert written.wait(20) if shown else True
        print("of the file", file=sys.stderr)
    assert sys.stderr is stream
    said, _, after = stream.getvalue().partition("of the file\n")
    if not shown:
        assert (said, after) == ("", "")
        return
    *lines, wiped, end = said.split("\r")
    assert lines[-1].startswith("flow: 0:00:0")
    assert "  2/3  lstm  7 of 9" in lines[-1]
    assert (wiped.strip(), end) == ("", "")
    assert len(wiped) == len(lines[-1])


def test_a_short_run_says_nothing(monkeypatch):
    stream = io.StringIO()
    monkeypatch.setattr(stream, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(sys, "stderr", stream)
    with progress_line.Progress("flow")("lstm"):
        pass
    assert stream.getvalue() == ""


def test_chinese_words_fit_the_line_too(monkeypatch):
    line = progress_line._fitting({"": "mark", "name": "学生甲/作业.py"}, 12, ())
    assert line == "mark 学生甲/"


@pytest.mark.slow
def test_a_message_that_is_not_ascii_reaches_any_stream(tmp_path):
    done = shell(
        "tg demo --text 时间.txt", cwd=tmp_path, env={**os.environ, "LC_ALL": "C", "PYTHONIOENCODING": "ascii"}
    )
    assert done.returncode == 2
    assert "\\u65f6\\u95f4.txt: there is no such file" in done.stderr
    odd = os.fsdecode(b"a\xff.txt")
    done = shell(f"tg derive --cell rnn --out '{odd}'", cwd=tmp_path)
    assert done.returncode == 0
    assert os.listdir(os.fsencode(tmp_path)) == [b"a\xff.txt"]


def test_ranges_of_numbers_name_what_they_take():
    assert common.at_least(0)("0") == 0
    assert common.at_least(1)("100000000") == common.LARGEST
    assert files.NO_ROOM.startswith("make room")
