"""Checks a database file for damage, without changing it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from inngest_nb.errors import StoreFileError
from inngest_nb.findings import Finding, Level
from inngest_nb.store.tables import examine

_RESTORE = "restore it from a backup of the file, or remove it with delete({!r})"


def file(path: Path) -> Iterator[Finding]:
    """Report each workflow that cannot be read, and what is wrong with the file itself."""
    try:
        report = examine(path)
    except StoreFileError as error:
        yield Finding(Level.TO_DO, "file", str(error), "; ".join(error.__notes__))
        return
    for flaw in report.flaws:
        yield Finding(
            Level.TO_DO,
            "file",
            f"{path}: {flaw}",
            "restore a backup, or save what can still be read to another file",
        )
    for workflow_id, why in report.unreadable.items():
        yield Finding(
            Level.TO_DO, "workflow", f"{workflow_id!r}: {why}", _RESTORE.format(workflow_id)
        )
    if not (report.flaws or report.unreadable):
        count = "1 workflow" if report.readable == 1 else f"{report.readable:,} workflows"
        yield Finding(Level.OK, "file", f"{path}: {count}, all readable; {report.checksums}")
