"""Text of files in several encodings: one text, or words that say which encoding fits."""

import codecs
from pathlib import Path

import pytest

from tinygrad_rnn.lm.decoding import REMEDY, read, require_encoding

LINES = "白日依山尽，\n黄河入海流。\n"


@pytest.mark.parametrize(
    ("data", "encoding"),
    [
        (LINES.encode(), "utf-8"),
        (codecs.BOM_UTF8 + LINES.encode(), "utf-8"),
        (LINES.replace("\n", "\r\n").encode(), "UTF8"),
        (codecs.BOM_UTF8 + LINES.replace("\n", "\r").encode(), "utf-8-sig"),
        (LINES.replace("\n", "\r\n").encode("gb18030"), "GB18030"),
        (("\ufeff" + LINES).encode("gb18030"), "gb18030"),
        (LINES.encode("utf-16"), "utf-16"),
        (codecs.BOM_UTF16_BE + LINES.encode("utf-16-be"), "utf-16-be"),
    ],
    ids=["plain", "mark", "crlf", "mark and cr", "gb18030 crlf", "gb18030 mark", "utf-16", "utf-16-be"],
)
def test_one_text_whatever_its_bytes(tmp_path, data, encoding):
    path = tmp_path / "poems.txt"
    path.write_bytes(data)
    assert read(path, encoding) == LINES


def test_a_mark_within_a_text_stays(tmp_path):
    (tmp_path / "x").write_bytes("a\ufeffb".encode())
    assert read(tmp_path / "x") == "a\ufeffb"


@pytest.mark.parametrize(
    ("data", "encoding", "words"),
    [
        (LINES.encode("gb18030"), "utf-8", "x: not UTF-8 text (byte 0 is 0xb0); it can be read as GB18030\n" + REMEDY),
        (LINES.encode("utf-16"), "utf-8", "x: not UTF-8 text (byte 0 is 0xff); it begins as UTF-16 does\n" + REMEDY),
        (
            (LINES * 20 + "鹳曛").encode("gb18030"),
            "utf-8",
            "x: not UTF-8 text (byte 0 is 0xb0); it can be read as GB18030\n" + REMEDY,
        ),
        (b"abc\xe9", "utf-8", "x: not UTF-8 text (byte 3 is 0xe9)\n" + REMEDY),
        (b"na\xefve", "utf-8", "x: not UTF-8 text (byte 2 is 0xef)\n" + REMEDY),
        (b"\xff" + LINES.encode(), "utf-8", "x: not UTF-8 text (byte 0 is 0xff)\n" + REMEDY),
        ("海上".encode(), "ascii", "x: not ASCII text (byte 0 is 0xe6); it can be read as UTF-8\n" + REMEDY),
        ("海上生明月".encode() + b"\xff", "gb18030", "x: not GB18030 text (byte 14 is 0x88)\n" + REMEDY),
    ],
    ids=["gb18030", "utf-16", "rare characters", "latin", "latin and a letter", "broken", "ascii", "not gb18030"],
)
def test_a_wrong_encoding_is_told_with_the_one_that_fits(tmp_path, monkeypatch, data, encoding, words):
    monkeypatch.chdir(tmp_path)
    Path("x").write_bytes(data)
    with pytest.raises(ValueError, match="not ") as refused:
        read("x", encoding)
    assert str(refused.value) == words


@pytest.mark.parametrize("name", ["gb18031", "base64", "", "a\0b"], ids=repr)
def test_an_unknown_encoding_is_refused(name):
    with pytest.raises(ValueError, match=r"no encoding .*\ngive a name such as utf-8, gb18030"):
        require_encoding(name)
