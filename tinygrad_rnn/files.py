"""Write files whole or not at all, as UTF-8 with Unix line ends on every system.

A path keeps what it names. A link keeps its target, a pipe or a device takes the bytes, a file with several names keeps
them all, and a file that may not be written stays as it is.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import stat
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, NoReturn

AnyPath = str | os.PathLike[str]
NO_REPLACING = (errno.EACCES, errno.EPERM, errno.EROFS, errno.EBUSY)
"""What a folder answers that takes no new file, though the old one in it may be writable."""
MOST_READ = 1 << 28
"""The maximum number of bytes to read from a pipe or a device, which may never end."""
WAIT = 10.0
"""Seconds to wait for the reader of a pipe."""
NO_ROOM = "make room, or write to another disk"
NO_PERMISSION = "give another path, or change the permissions"
NO_FOLDER = "give the path of a file in a folder"
ADVICE = {
    **dict.fromkeys((errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC)), NO_ROOM),
    **dict.fromkeys(NO_REPLACING, NO_PERMISSION),
    errno.ENOTDIR: NO_FOLDER,
    errno.ENAMETOOLONG: "give a shorter name",
    errno.ELOOP: "its links lead in a circle: give another path",
    errno.ENXIO: "start its reader first, or give the name of a file",
    errno.EPIPE: "what reads the pipe has ended: start it again",
}


def write(path: AnyPath, content: str | bytes) -> Path:
    """Write `content` to `path`; after an error a file holds what it held before.

    Raises what `require_place` raises, and OSError, which names the path and says what to do.
    """
    path = require_place(path)
    data = content.encode("utf-8") if isinstance(content, str) else content
    try:
        _write(path, data)
    except OSError as error:
        _fail(path, "cannot be written", error)
    return path


def require_place(path: AnyPath) -> Path:
    """Return the path if a file may be written there; ask before a long run.

    Raises ValueError for control characters in the name and for a name that ends in a slash, FileNotFoundError for a
    missing folder, IsADirectoryError for a folder, PermissionError for a read-only file or folder, OSError for a disk
    or a socket.
    """
    _require_name(path)
    path = Path(path)
    try:
        old = _stat(path)
        folder = _target(path).parent if old is None else path.parent
        inside = _stat(folder)
    except OSError as error:
        _fail(path, "cannot be written", error)
    if inside is None:
        raise FileNotFoundError(f"{path}: there is no folder {folder}\nmake it first, or write to another one")
    if not stat.S_ISDIR(inside.st_mode):
        raise NotADirectoryError(f"{path}: {folder} is not a folder\n{NO_FOLDER}")
    if old is None:
        if not os.access(folder, os.W_OK | os.X_OK):
            raise PermissionError(f"{path}: the folder {folder} is read-only\n{NO_PERMISSION}")
    elif stat.S_ISDIR(old.st_mode):
        raise IsADirectoryError(f"{path} is a folder\ngive the name of a file")
    elif stat.S_ISBLK(old.st_mode) or stat.S_ISSOCK(old.st_mode):
        kind = "a disk" if stat.S_ISBLK(old.st_mode) else "a socket"
        raise OSError(f"{path} is {kind}\ngive the name of a file, a pipe or a terminal")
    elif not (old.st_mode & 0o222 and os.access(path, os.W_OK)):  # the superuser, too, asked for that mode
        raise PermissionError(f"{path}: the file is read-only\n{NO_PERMISSION}")
    return path


def require_ending(what: str, path: AnyPath, *endings: str) -> str:
    """Return the ending of a path, in small letters, without its dot. Raises ValueError for any but `endings`."""
    name = Path(path).name
    if name.lower() in endings:
        raise ValueError(f"{what}: {name!r} is an ending without a name\ngive the file a name, as drawing{name}")
    ending = os.path.splitext(name)[1].lower()
    if ending not in endings:
        lacks = f"ends in none of {', '.join(endings)}" if len(endings) > 1 else f"does not end in {endings[0]}"
        page = next((each for each in (".html", ".svg") if each in endings), "") if ending == ".pdf" else ""
        advice = f"write {page}, and print it as PDF in a browser" if page else "give the file a name that does"
        raise ValueError(f"{what}: {name!r} {lacks}\n{advice}")
    return ending[1:]


def require_apart(what: str, *paths: AnyPath | None) -> None:
    """Raise ValueError where two of the paths name one file; None is no path."""
    given = [Path(path) for path in paths if path is not None]
    for k, one in enumerate(given):
        for other in given[:k]:
            if _target(one) == _target(other) or (one.is_file() and other.is_file() and one.samefile(other)):
                raise ValueError(f"{what}: {other} and {one} are the same file\ngive two names")


def to_stdout(path: AnyPath) -> bool:
    """Tell whether a path names the standard output, as /dev/stdout does."""
    return (found := _stat(Path(path))) is not None and _own_stream(found) == _descriptor(sys.stdout) is not None


def read_text(path: AnyPath, stream: BinaryIO | None = None, encoding: str = "utf-8") -> str:
    """Return the text of a file, or of `stream`, which `path` then names; without a byte order mark.

    Raises OSError where it cannot be read, ValueError where it never ends or has a byte that is wrong in the encoding.
    """
    _require_name(path)
    path = Path(path)
    try:
        with contextlib.nullcontext(stream) if stream else open(path, "rb") as file:
            regular = stream is None and stat.S_ISREG(os.fstat(file.fileno()).st_mode)
            data = file.read() if regular else file.read(MOST_READ + 1)
    except FileNotFoundError as error:
        raise FileNotFoundError(f"{path}: there is no such file\ngive the path of a text file") from error
    except IsADirectoryError as error:
        raise IsADirectoryError(f"{path} is a folder\ngive the path of a text file") from error
    except OSError as error:
        _fail(path, "cannot be read", error)
    if not regular and len(data) > MOST_READ:
        raise ValueError(f"{path}: more than {MOST_READ:,} bytes, and no end\ngive the path of a text file")
    try:
        return data.decode(encoding).removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{path}: not {encoding.upper()} text (byte {error.start} is 0x{data[error.start]:02x})\nsave it as UTF-8"
        ) from error


def make_folder(path: AnyPath) -> list[Path]:
    """Make a folder and those above it; return those that were missing, the innermost first."""
    _require_name(path, folder=True)
    path = Path(path)
    try:
        missing = [folder for folder in (path, *path.parents) if _stat(folder) is None]
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        if isinstance(error, FileExistsError | NotADirectoryError):
            raise NotADirectoryError(f"{path} is a file, or lies in one\ngive the name of a folder") from error
        _fail(path, "the folder cannot be made", error)
    return missing


@contextlib.contextmanager
def alone(folder: AnyPath) -> Iterator[None]:
    """Hold a folder, which is made where it is missing; folders that stay empty are taken away again.

    Raises BlockingIOError where another process, or another call, holds it. The hold ends with the process.
    """
    made = make_folder(folder)
    try:
        with _held(Path(folder)):
            yield
    finally:
        with contextlib.suppress(OSError):  # the first that holds something ends it
            for empty in made:
                empty.rmdir()


@contextlib.contextmanager
def _held(folder: Path) -> Iterator[None]:
    if sys.platform == "win32":
        import msvcrt

        handle = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT | os.O_TEMPORARY)  # goes when it is closed
    else:
        import fcntl

        handle = os.open(folder, os.O_RDONLY)
    try:
        try:
            if sys.platform == "win32":
                msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
            else:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in (errno.EWOULDBLOCK, errno.EACCES, errno.EDEADLK):
                raise BlockingIOError(
                    f"{folder}: another run writes into this folder\nwait until it ends, or give another folder"
                ) from error
            # A file system without locks: the run goes on without one.
        yield
    finally:
        os.close(handle)


# ---------------------------------------------------------------------------------------------- how it is written


def _write(path: Path, data: bytes) -> None:
    old = _stat(path)
    if old is not None and (stream := _own_stream(old)) is not None:
        _write_all(stream, data)
    elif old is not None and not stat.S_ISREG(old.st_mode):
        handle = _open_special(path)
        try:
            _write_all(handle, data)
        finally:
            os.close(handle)
    elif old is not None and old.st_nlink > 1:
        _write_in_place(path, data)
    else:
        try:
            _replace(_target(path), data, old)
        except OSError as error:
            if old is None or error.errno not in NO_REPLACING:
                raise
            _write_in_place(path, data)


def _open_special(path: Path) -> int:
    """Open a device, or a pipe, for whose reader this waits a while: opened in the usual way it could wait for ever."""
    flags = os.O_WRONLY | getattr(os, "O_NOCTTY", 0) | getattr(os, "O_BINARY", 0)
    until = time.monotonic() + WAIT
    while True:
        try:
            handle = os.open(path, flags | getattr(os, "O_NONBLOCK", 0))
        except OSError as error:
            if error.errno != errno.ENXIO:
                raise
            if time.monotonic() >= until:
                raise OSError(errno.ENXIO, f"nothing reads it, after {WAIT:g} s") from error
            time.sleep(0.02)
        else:
            os.set_blocking(handle, True)
            return handle


def _replace(path: Path, data: bytes, old: os.stat_result | None) -> None:
    """Put a new file in the place of `path`.

    Where the system can, the new file has no name until it is whole: a process that is killed leaves nothing behind.
    """
    beside = path.parent / f".{secrets.token_hex(8)}.part"
    handle, named = _open_new(beside)
    try:
        try:
            _write_all(handle, data)
            if not named:  # through a folder's handle the link is followed to the file
                os.link(f"/proc/self/fd/{handle}", beside, src_dir_fd=handle)
            new = os.fstat(handle)
        finally:
            os.close(handle)
        if old is not None:
            if (old.st_uid, old.st_gid) != (new.st_uid, new.st_gid):
                os.chown(beside, old.st_uid, old.st_gid)
            os.chmod(beside, old.st_mode & 0o777)
        os.replace(beside, path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            beside.unlink()
        raise


def _open_new(path: Path) -> tuple[int, bool]:
    """Open a new file, without a name where the system can; whether it has one."""
    if hasattr(os, "O_TMPFILE") and os.path.isdir("/proc/self/fd"):
        try:
            return os.open(path.parent, os.O_TMPFILE | os.O_WRONLY, 0o666), False
        except OSError as error:
            if error.errno not in (errno.EOPNOTSUPP, errno.EISDIR, errno.ENOENT, errno.EINVAL):
                raise
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o666), True


def _write_in_place(path: Path, data: bytes) -> None:
    """Write into the file itself, whose other names and owner stay; after an error put back what it held."""
    with open(path, "r+b", buffering=0) as file:
        old = file.readall()
        try:
            _put(file.fileno(), data)
        except BaseException:
            _put(file.fileno(), old)
            raise


def _put(handle: int, data: bytes) -> None:
    os.lseek(handle, 0, os.SEEK_SET)
    _write_all(handle, data)
    os.ftruncate(handle, len(data))


def _write_all(handle: int, data: bytes) -> None:
    left = memoryview(data)
    while left:
        left = left[os.write(handle, left[: 1 << 30]) :]


# ---------------------------------------------------------------------------------------------- what a path names


def _stat(path: Path) -> os.stat_result | None:
    """Return the status of the file that a path leads to; None where there is none."""
    try:
        return path.stat()
    except FileNotFoundError:
        return None


def _target(path: Path) -> Path:
    """Return the path without links."""
    return Path(os.path.realpath(path))


def _own_stream(found: os.stat_result) -> int | None:
    """Return the descriptor of the standard output or error where it is that file: a second one would overwrite."""
    for stream in (sys.stdout, sys.stderr):
        handle = _descriptor(stream)
        if handle is not None and os.path.samestat(os.fstat(handle), found):
            stream.flush()
            return handle
    return None


def _descriptor(stream: object) -> int | None:
    try:
        return int(stream.fileno())  # type: ignore[attr-defined]  # whatever stands for the standard output
    except (AttributeError, OSError, ValueError):
        return None


def _require_name(path: AnyPath, folder: bool = False) -> None:
    text = os.fspath(path)
    if not text:
        raise ValueError("an empty name of a file\ngive its path")
    if not folder and text.endswith(("/", "/.", os.sep)):  # which `Path` would drop
        raise ValueError(f"{text} ends as the name of a folder does\ngive the name of a file")
    if any(ord(c) < 32 or 127 <= ord(c) < 160 for c in text):
        raise ValueError(f"{text!r}: a name with control characters\ngive a name that can be printed")


def _fail(path: Path, what: str, error: OSError) -> NoReturn:
    """Raise an error of the same kind that names the path and says what to do."""
    kind = OSError if isinstance(error, BrokenPipeError) else type(error)  # that one is of the standard output
    advice = ADVICE.get(error.errno or 0, "give another path")
    worded = kind(f"{path}: {what}: {error.strerror or error}\n{advice}")
    worded.errno = error.errno
    raise worded from error
