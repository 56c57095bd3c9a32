"""Copies of the walkthroughs that a person may edit."""

from __future__ import annotations

import hashlib
import json
import os
from enum import StrEnum
from pathlib import Path

from inngest_nb.errors import InngestNbError

_RECORD = ".walkthroughs.json"


class Outcome(StrEnum):
    """What happened to one walkthrough."""

    COPIED = "copied"
    UPDATED = "updated"
    UNCHANGED = "unchanged"
    KEPT = "kept, because you changed it"
    KEPT_OLD = "kept, because you changed it; rename it to get the new version"


def walkthroughs() -> Path:
    """Return the folder of the notebooks: in the installed package, or next to it in a checkout."""
    package = Path(__file__).parent.parent
    for folder in (package / "walkthroughs", package.parent / "notebooks"):
        if folder.is_dir():
            return folder
    raise InngestNbError(f"no walkthroughs in {package} or next to it; reinstall inngest-nb")


def copy_walkthroughs(source: Path, folder: Path) -> dict[str, Outcome]:
    """Bring a folder's copies up to date, except those that a person changed.

    A record in the folder holds the digest of each copy. A file with another digest is somebody's
    work, even if it was only run: its outputs are worth keeping.
    """
    folder.mkdir(parents=True, exist_ok=True)
    record = _read_record(folder)
    outcomes = {}
    for original in sorted(source.iterdir()):
        if original.name.startswith(".") or not original.is_file():
            continue
        content = original.read_bytes()
        copy = folder / original.name
        outcomes[original.name] = outcome = _judge(copy, content, record.get(original.name))
        if outcome in (Outcome.COPIED, Outcome.UPDATED):
            _write(copy, content)
        if outcome not in (Outcome.KEPT, Outcome.KEPT_OLD):
            record[original.name] = _digest(content)
    _write(folder / _RECORD, json.dumps(record, indent=1).encode())
    return outcomes


def _judge(copy: Path, content: bytes, copied: str | None) -> Outcome:
    if not os.path.lexists(copy):
        return Outcome.COPIED
    found = copy.read_bytes() if copy.is_file() else None
    if found == content:
        return Outcome.UNCHANGED
    if found is not None and _digest(found) == copied:
        return Outcome.UPDATED
    return Outcome.KEPT if copied == _digest(content) else Outcome.KEPT_OLD


def _read_record(folder: Path) -> dict[str, str]:
    """Read what was copied here; without a record, every file counts as somebody's work."""
    try:
        record = json.loads((folder / _RECORD).read_text())
    except (OSError, ValueError):
        return {}
    return record if isinstance(record, dict) else {}


def _write(path: Path, content: bytes) -> None:
    """Replace a file as a whole, or not at all."""
    new = path.with_name(f".{path.name}.new")
    new.write_bytes(content)
    new.replace(path)


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
