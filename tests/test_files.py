import os
import sys

import pytest

from tinygrad_rnn import files


def test_text_is_utf8_with_unix_line_ends(tmp_path):
    files.write(tmp_path / "a.txt", "ħ\n∂\n")
    assert (tmp_path / "a.txt").read_bytes() == "ħ\n∂\n".encode()
    assert files.read_text(tmp_path / "a.txt") == "ħ\n∂\n"


def test_an_error_leaves_the_old_file_and_no_other(tmp_path, monkeypatch):
    path = files.write(tmp_path / "a.txt", "old")

    def fails(*args):
        raise OSError("disk full")

    monkeypatch.setattr(os, "replace", fails)
    with pytest.raises(OSError, match="disk full"):
        files.write(path, "new")
    assert path.read_text(encoding="utf-8") == "old"
    assert os.listdir(tmp_path) == ["a.txt"]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such permissions")
def test_permissions_are_those_of_the_old_file_or_of_the_umask(tmp_path):
    path = files.write(tmp_path / "a.txt", "old")
    mask = os.umask(0)
    os.umask(mask)
    assert path.stat().st_mode & 0o777 == 0o666 & ~mask
    path.chmod(0o640)
    files.write(path, "new")
    assert path.stat().st_mode & 0o777 == 0o640
