"""Files: whole or not at all, through links, into pipes, and never over what may not be written."""

import errno
import os
import signal
import stat
import subprocess
import sys
import threading

import pytest

from tinygrad_rnn import files

posix = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such files or permissions")


def test_text_is_utf8_with_unix_line_ends(tmp_path):
    files.write(tmp_path / "a.txt", "ħ\n∂\n")
    assert (tmp_path / "a.txt").read_bytes() == "ħ\n∂\n".encode()
    assert files.read_text(tmp_path / "a.txt") == "ħ\n∂\n"
    files.write(tmp_path / "a.txt", b"a\r\nb\rc\n")
    assert files.read_text(tmp_path / "a.txt") == "a\nb\nc\n"


def test_an_error_leaves_the_old_file_and_no_other(tmp_path, monkeypatch):
    path = files.write(tmp_path / "a.txt", "old")

    def fails(*args):
        raise OSError("disk full")

    monkeypatch.setattr(os, "replace", fails)
    with pytest.raises(OSError, match="disk full"):
        files.write(path, "new")
    assert path.read_text(encoding="utf-8") == "old"
    assert os.listdir(tmp_path) == ["a.txt"]


@posix
def test_permissions_are_those_of_the_old_file_or_of_the_umask(tmp_path):
    path = files.write(tmp_path / "a.txt", "old")
    mask = os.umask(0)
    os.umask(mask)
    assert path.stat().st_mode & 0o777 == 0o666 & ~mask
    path.chmod(0o640)
    files.write(path, "new")
    assert path.stat().st_mode & 0o777 == 0o640


@posix
@pytest.mark.parametrize("unnamed", [True, False], ids=["unnamed", "named"])
def test_it_is_written_where_the_system_has_files_without_a_name_and_where_it_has_none(tmp_path, monkeypatch, unnamed):
    if not unnamed:
        monkeypatch.delattr(os, "O_TMPFILE", raising=False)
    for content in ("old", "new, and longer", ""):
        assert files.write(tmp_path / "a.txt", content).read_text(encoding="utf-8") == content
    assert os.listdir(tmp_path) == ["a.txt"]


# ---------------------------------------------------------------------------------------------- what a path names


@pytest.mark.parametrize("ending", ["/", "//", "/.", os.sep])
def test_a_name_that_ends_as_that_of_a_folder_is_no_file(ending, tmp_path):
    """`Path` drops the ending, and would write, or read, the file."""
    name = f"{tmp_path / 'a.svg'}{ending}"
    for there in (False, True):
        for refuses in (files.require_place, files.read_text, lambda path: files.write(path, "new")):
            with pytest.raises(ValueError, match=r"a\.svg.* ends as the name of a folder does\ngive the name of a"):
                refuses(name)
        assert os.listdir(tmp_path) == ["a.svg"] * there
        files.write(tmp_path / "a.svg", "old")
    assert files.read_text(tmp_path / "a.svg") == "old"
    assert files.make_folder(f"{tmp_path / 'new'}{ending}") == [tmp_path / "new"]


@posix
def test_a_link_keeps_its_target_and_a_chain_of_links_too(tmp_path):
    (tmp_path / "there").mkdir()
    target = files.write(tmp_path / "there" / "target.svg", "old")
    (tmp_path / "link.svg").symlink_to(target)
    (tmp_path / "chain.svg").symlink_to("link.svg")
    files.write(tmp_path / "chain.svg", "new")
    assert target.read_text(encoding="utf-8") == "new"
    assert (tmp_path / "chain.svg").is_symlink()
    assert (tmp_path / "link.svg").is_symlink()
    target.unlink()
    files.write(tmp_path / "chain.svg", "made where the link leads")
    assert target.is_file()
    assert os.listdir(tmp_path / "there") == ["target.svg"]


@posix
def test_a_file_keeps_all_its_names_and_an_error_halfway_keeps_what_it_held(tmp_path, monkeypatch):
    one, two = files.write(tmp_path / "one", "precious"), tmp_path / "two"
    os.link(one, two)
    files.write(one, "new")
    assert two.read_text(encoding="utf-8") == "new"
    assert one.samefile(two)
    write, calls = os.write, []

    def full_at_first(handle, data):
        calls.append(len(data))
        if len(calls) == 1:
            return write(handle, data[:2])
        if len(calls) == 2:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(handle, data)

    monkeypatch.setattr(os, "write", full_at_first)
    with pytest.raises(OSError, match=r"one: cannot be written: No space left on device\nmake room"):
        files.write(one, "something longer")
    assert two.read_text(encoding="utf-8") == "new"


@posix
def test_a_pipe_takes_the_bytes_and_stays_a_pipe(tmp_path):
    path, read = tmp_path / "pipe", []
    os.mkfifo(path)
    reader = threading.Thread(target=lambda: read.append(path.read_bytes()))
    reader.start()
    content = b"x" * 300_000  # more than a pipe holds at once
    files.write(path, content)
    reader.join()
    assert read == [content]
    assert stat.S_ISFIFO(path.stat().st_mode)
    assert os.listdir(tmp_path) == ["pipe"]


@posix
def test_a_pipe_that_nobody_reads_is_told_and_one_whose_reader_goes_away(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "WAIT", 0.0)
    path = tmp_path / "pipe"
    os.mkfifo(path)
    with pytest.raises(OSError, match=r"pipe: cannot be written: nothing reads it.*\nstart its reader first"):
        files.write(path, "x")
    reading = os.open(path, os.O_RDONLY | os.O_NONBLOCK)

    def gone(handle, data):
        raise BrokenPipeError(errno.EPIPE, "Broken pipe")

    monkeypatch.setattr(os, "write", gone)
    with pytest.raises(OSError, match=r"pipe: cannot be written: Broken pipe\nwhat reads the pipe has ended") as error:
        files.write(path, "x")
    assert not isinstance(error.value, BrokenPipeError)  # which is the standard output's
    os.close(reading)
    assert stat.S_ISFIFO(path.stat().st_mode)


@posix
def test_a_device_takes_the_bytes_and_stays_a_device(tmp_path):
    path = tmp_path / "null"
    try:
        os.mknod(path, 0o666 | stat.S_IFCHR, os.makedev(1, 3))
    except PermissionError:
        pytest.skip("only the superuser makes a device")
    before = path.stat()
    try:
        files.write(path, "x")
    except PermissionError:
        pytest.skip("devices do not work in this file system")
    assert os.path.samestat(path.stat(), before)
    assert stat.S_ISCHR(path.stat().st_mode)


@posix
@pytest.mark.parametrize("kind", ["a pipe", "a file"])
def test_the_standard_output_by_name_comes_after_what_was_printed(tmp_path, kind):
    (tmp_path / "out").symlink_to("/proc/self/fd/1")
    if not os.path.exists("/proc/self/fd/1"):
        pytest.skip("this system has no /proc")
    path = str(tmp_path / "out")
    code = f"from tinygrad_rnn import files; print('before'); files.write({path!r}, 'x\\n'); print('after')"
    with open(tmp_path / "file", "wb") as file:
        done = subprocess.run(
            [sys.executable, "-c", code], stdout=subprocess.PIPE if kind == "a pipe" else file, check=True
        )
    assert (done.stdout or (tmp_path / "file").read_bytes()) == b"before\nx\nafter\n"


# ---------------------------------------------------------------------------------------------- what is refused


@posix
def test_a_read_only_file_is_left_alone_by_the_superuser_too(tmp_path):
    path = files.write(tmp_path / "a.txt", "precious")
    path.chmod(0o444)
    (tmp_path / "link").symlink_to(path)
    for name in ("a.txt", "link"):
        with pytest.raises(PermissionError, match=r"the file is read-only\ngive another path"):
            files.write(tmp_path / name, "x")
    assert path.read_text(encoding="utf-8") == "precious"


@pytest.mark.parametrize(
    ("name", "kind", "words"),
    [
        ("none/a", FileNotFoundError, "there is no folder"),
        ("file/a", NotADirectoryError, "\ngive the path of a file in a folder"),
        ("folder", IsADirectoryError, "is a folder\n"),
        ("a\nb", ValueError, "control characters"),
        ("a\x1b[31m", ValueError, "control characters"),
        ("a\0b", ValueError, "control characters"),
        ("a" * 5000, OSError, "cannot be written: File name too long\ngive a shorter name"),
    ],
    ids=["no folder", "file as folder", "folder", "line", "escape", "zero", "long"],
)
def test_what_cannot_be_written_is_told_in_two_lines(tmp_path, name, kind, words):
    files.write(tmp_path / "file", "x")
    (tmp_path / "folder").mkdir()
    for ask in (files.require_place, lambda path: files.write(path, "x")):
        with pytest.raises(kind) as error:
            ask(str(tmp_path / name))
        assert words in str(error.value)
        assert len(str(error.value).splitlines()) == 2
    assert sorted(os.listdir(tmp_path)) == ["file", "folder"]
    with pytest.raises(ValueError, match="an empty name"):
        files.write("", "x")


@posix
def test_links_in_a_circle_and_links_to_nowhere_are_told(tmp_path):
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    with pytest.raises(OSError, match="links lead in a circle"):
        files.write(tmp_path / "a", "x")
    (tmp_path / "c").symlink_to(tmp_path / "none" / "c")
    with pytest.raises(FileNotFoundError, match=r"there is no folder .*none"):
        files.write(tmp_path / "c", "x")


@posix
def test_a_name_as_long_as_the_file_system_takes(tmp_path):
    assert files.write(tmp_path / ("a" * 251 + ".svg"), "x").exists()


def test_a_text_that_cannot_be_read_is_told(tmp_path, monkeypatch):
    with pytest.raises(FileNotFoundError, match="there is no such file"):
        files.read_text(tmp_path / "none")
    with pytest.raises(OSError, match=r"is a folder|cannot be read"):
        files.read_text(tmp_path)
    (tmp_path / "latin").write_bytes("naïve".encode("latin-1"))
    with pytest.raises(ValueError, match="byte 2 is 0xef"):
        files.read_text(tmp_path / "latin")
    if os.path.exists("/dev/zero"):
        monkeypatch.setattr(files, "MOST_READ", 1000)
        with pytest.raises(ValueError, match="more than 1,000 bytes, and no end"):
            files.read_text("/dev/zero")


def test_two_names_of_one_file_are_found(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    files.write("a", "x")
    files.require_apart("t", "a", "b", None)
    for other in ("a", "./a", tmp_path / "a", "none/../a"):
        with pytest.raises(ValueError, match=r"t: a and .* are the same file"):
            files.require_apart("t", "a", other)


# ---------------------------------------------------------------------------------------------- signals, folders


@posix
@pytest.mark.skipif(not hasattr(os, "O_TMPFILE"), reason="files without a name are Linux's")
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL, signal.SIGINT], ids=lambda number: number.name)
def test_a_process_that_is_ended_while_it_writes_leaves_the_old_file_alone(tmp_path, number):
    path = files.write(tmp_path / "a", "old")
    code = (
        "import os, sys; from tinygrad_rnn import files; write = os.write\n"
        "def slow(handle, data): n = write(handle, data[:1000]); print('go', flush=True); sys.stdin.read(); return n\n"
        f"os.write = slow; files.write({str(path)!r}, b'x' * 100_000)"
    )
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    with subprocess.Popen(
        [sys.executable, "-c", code], preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL), **pipes
    ) as process:
        assert process.stdout.readline() == b"go\n"
        process.send_signal(number)
        process.wait(timeout=60)
    assert path.read_text(encoding="utf-8") == "old"
    assert os.listdir(tmp_path) == ["a"]


def test_a_folder_is_held_by_one_and_taken_away_where_it_stays_empty(tmp_path):
    folder = tmp_path / "made" / "run"
    with files.alone(folder):
        with pytest.raises(BlockingIOError, match=r"another run writes into this folder\nwait until it ends"):
            with files.alone(folder):
                pass
        assert folder.is_dir()
    assert not (tmp_path / "made").exists()
    with files.alone(folder):
        files.write(folder / "a", "x")
    assert os.listdir(folder) == ["a"]
    with pytest.raises(NotADirectoryError, match="give the name of a folder"):
        files.make_folder(folder / "a" / "b")
