"""The checksum of a file that contains it: found wherever it is, and made of every other byte."""

from __future__ import annotations

import hashlib
import tracemalloc
from pathlib import Path

import pytest

from inngest_nb.bundles._checksum import DIGITS, is_intact, stamp

MARK = "5a" * (DIGITS // 2)
CHUNK = 2**20  # what is read at once


@pytest.mark.parametrize(
    "place", [0, 1, CHUNK - DIGITS, CHUNK - 63, CHUNK - 1, CHUNK, 2 * CHUNK - 7, 3 * CHUNK]
)
def test_it_replaces_the_mark_wherever_that_is(tmp_path: Path, place: int) -> None:
    path = tmp_path / "file"
    before = b"x" * place
    after = b"y" * (3 * CHUNK - place)
    path.write_bytes(before + MARK.encode() + after)
    stamp(path, MARK)
    expected = hashlib.sha256(before + bytes(DIGITS) + after).hexdigest()
    assert path.read_bytes() == before + expected.encode() + after
    assert is_intact(path, expected)
    assert not is_intact(path, MARK)


def test_a_file_that_contains_it_twice_is_not_intact(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(MARK.encode())
    stamp(path, MARK)
    digits = path.read_text()
    assert is_intact(path, digits)
    path.write_text(digits + digits)
    assert not is_intact(path, digits)


@pytest.mark.parametrize("content", [b"", b"none", MARK.encode() * 2])
def test_a_file_without_one_place_for_it_gets_none(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    with pytest.raises(ValueError, match="unpack"):
        stamp(path, MARK)
    assert path.read_bytes() == content


def test_a_file_that_is_full_of_it_costs_nothing(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"a" * 50_000_000)
    tracemalloc.start()
    try:
        assert not is_intact(path, "a" * DIGITS)
        assert tracemalloc.get_traced_memory()[1] < 10 * CHUNK
    finally:
        tracemalloc.stop()
