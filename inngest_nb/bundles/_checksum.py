"""The checksum of a bundle: SHA-256 of all its bytes, with its own digits as zeros.

The digits are in the file's own table, so the file stays an SQLite file like any other. While it is
written, a random mark stands in their place.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import BinaryIO

DIGITS = 2 * hashlib.sha256().digest_size
_CHUNK = 2**20


def stamp(path: Path, mark: str) -> None:
    """Replace the mark in a file by the checksum; the file is on disk on return."""
    with path.open("r+b") as file:
        (place,) = _places(file, mark.encode())
        checksum = _computed(file, place)
        file.seek(place)
        file.write(checksum.encode())
        file.flush()
        os.fsync(file.fileno())


def is_intact(path: Path, checksum: str) -> bool:
    """Tell whether a file has this checksum, and contains it once."""
    with path.open("rb") as file:
        places = _places(file, checksum.encode())
        return len(places) == 1 and _computed(file, places[0]) == checksum


def _places(file: BinaryIO, text: bytes) -> list[int]:
    """Return where a text is in a file; no more than two places, for a file may be full of it."""
    places, before, start = list[int](), b"", 0
    file.seek(0)
    while len(places) < 2 and (chunk := file.read(_CHUNK)):
        window = before + chunk
        found = window.find(text)
        while found >= 0 and len(places) < 2:
            places.append(start - len(before) + found)
            found = window.find(text, found + 1)
        start += len(chunk)
        before = window[1 - len(text) :]
    return places


def _computed(file: BinaryIO, place: int) -> str:
    """Return the checksum of a file that has its digits at this place."""
    file.seek(0)
    hashed = hashlib.sha256()
    while left := min(_CHUNK, place - file.tell()):
        hashed.update(file.read(left))
    file.seek(DIGITS, os.SEEK_CUR)
    hashed.update(bytes(DIGITS))
    while chunk := file.read(_CHUNK):
        hashed.update(chunk)
    return hashed.hexdigest()
