"""Exports workflows into a bundle."""

from __future__ import annotations

import getpass
import os
import warnings
from base64 import urlsafe_b64encode
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

from inngest_nb import wire
from inngest_nb._version import __version__
from inngest_nb.bundles._info import BundleInfo, encoded
from inngest_nb.bundles._opening import is_bundle, verified
from inngest_nb.bundles._redaction import Redaction, paths_of
from inngest_nb.bundles._source import take
from inngest_nb.bundles._writing import Kept, exists, write_file
from inngest_nb.errors import StoreFileError
from inngest_nb.query import By, Search, When, Where
from inngest_nb.state import WorkflowState
from inngest_nb.store import WorkflowStore, Write
from inngest_nb.store.rows import write_of
from inngest_nb.store.writes import checked
from inngest_nb.words import short


def export(
    source: WorkflowStore | WorkflowState | Iterable[WorkflowState],
    path: str | os.PathLike[str],
    *,
    redact: Iterable[str] = (),
    overwrite: bool = False,
    author: str | None = None,
    status: str | Iterable[str] | None = None,
    workflow: str | Iterable[str] | None = None,
    since: When | None = None,
    until: When | None = None,
    by: By = "updated",
    prefix: str | None = None,
    text: str | None = None,
    error: str | None = None,
    longer_than: timedelta | str | float | None = None,
    where: str | Where | None = None,
    sort: str | None = None,
    limit: int = 0,
) -> BundleInfo:
    """Write workflows of a store, or states, into one file that can be sent to others.

        inb.export(store, "incident.db", status="failed", since="2h",
                   redact=["input.customer", "input.items[].name", "error"])

    `open_bundle` reads the file as a store for every view. The arguments from `status` on choose
    the workflows, as those of `frame` do. Documents are kept byte for byte unless they are
    redacted. Returns the bundle's metadata. `author` is who made it, by default the name
    of this process's user; "" leaves it out.

    `redact` are paths whose values are replaced by stand-ins. They begin with `input` or `result`,
    of the workflow and of each event, with `payload`, that of signals, or are `error`: error texts
    with their details and tracebacks. Texts become `redacted-1a2b3c4d`, numbers other numbers, and
    objects, lists, true and false a string; null and "" stay. Equal values get equal stand-ins, and
    different values different ones. They are random, so another bundle has others, and nobody can
    find a value by trying.

    Where a redacted text of at least 4 characters occurs elsewhere in the bundle, a stand-in
    replaces it, too: in other payloads, even in the digits of a number, in keys, errors, signals
    and names, and in workflow ids, the same everywhere; also as it is written in JSON, in Python
    and in URLs. So don't redact a path whose values are common words: they would go from names,
    too. Redacted numbers and shorter texts are replaced only at the paths. Times, statuses, types
    of events and the document's own keys always stay. A part of a redacted text is not found, nor
    one that differs in its case: "Ada" stays where "Ada Lovelace" was redacted.

    The file appears only when it is complete, and only you can read it. Raises `StoreFileError` if
    it exists already, unless `overwrite=True`, which replaces a bundle and nothing else; and
    `ValueError` or `TypeError` for a wrong path or search. A warning names paths that match
    nothing, workflows that cannot be read, and a server that cannot list: then the bundle has what
    its client knows.
    """
    target = Path(path).absolute()
    paths = paths_of(redact)
    now = datetime.now(UTC)
    search = Search.of(
        now=now,
        status=status,
        workflow=workflow,
        since=since,
        until=until,
        by=by,
        prefix=prefix,
        text=text,
        error=error,
        longer_than=longer_than,
        where=where,
        sort=sort,
        limit=limit,
    )
    _check_target(target, overwrite)
    taken = take(source, search)
    redaction = Redaction(paths)
    documents = [wire.encode(state) for state in taken.states] if paths else []
    for document in documents:
        redaction.learn(document)
    unmatched = [str(one) for one in paths if one not in redaction.matched]
    for words in [*taken.warnings, *(f"redact: nothing is at {one}" for one in unmatched)]:
        warnings.warn(words, stacklevel=2)
    counts: Counter[str] = Counter()

    def kept() -> Iterator[Kept]:
        known: set[str] = set()
        for place in reversed(range(len(taken.states))):  # in a listing, the newest come first
            state = taken.states[place]
            if paths:
                write = _redacted_write(state, documents[place], redaction)
            else:
                write = write_of(state, force=True)
            if write.workflow_id in known:
                raise ValueError(f"the workflow {short(write.workflow_id)!r} is given twice")
            known.add(write.workflow_id)
            counts[write.status or ""] += 1
            yield Kept(_named(write), _first_saved_us(state))

    def info() -> str:
        told = BundleInfo(
            workflows=counts.total(),
            events=sum(len(state.history) for state in taken.states),
            statuses=dict(sorted(counts.items())),
            exported_at=now,
            author=redaction.text(_author(author)),
            source=taken.source and redaction.text(taken.source),
            filter={name: _redacted(value, redaction) for name, value in _told(search).items()},
            redacted=tuple(redaction.text(str(one)) for one in paths),
            left_out=taken.left_out,
            written_by=f"inngest_nb {__version__}",
        )
        return encoded(told)

    write_file(target, kept(), info, overwrite=overwrite)
    return verified(target)[0]


def _redacted_write(state: WorkflowState, document: bytes, redaction: Redaction) -> Write:
    redacted = redaction.redacted(document)
    return checked(Write(redaction.text(state.workflow_id), redacted, whole=True))


def _named(write: Write) -> Write:
    """Name the version by its contents: the name in the store says something of what was hidden."""
    digest = sha256(write.workflow_id.encode() + b"\0" + write.document).digest()
    return write._replace(etag=urlsafe_b64encode(digest[:15]).decode(), if_match=None)


def _first_saved_us(state: WorkflowState) -> int | None:
    return None if state.first_saved_at is None else wire.microseconds(state.first_saved_at)


def _told(search: Search) -> dict[str, Any]:
    """Return what was asked for, as a bundle tells it."""
    given: dict[str, Any] = {
        "status": list(search.status),
        "workflow": list(search.workflow),
        "since": search.since_us,
        "until": search.until_us,
        "longer_than": search.longer_than_us,
    }
    for name in ("since", "until"):
        if given[name] is not None:
            given[name] = wire.time_of(given[name]).isoformat()
            given["by"] = search.by
    if search.longer_than_us is not None:
        given["longer_than"] = f"{search.longer_than_us / 1e6:g} s"
    given |= {name: getattr(search, name) for name in ("prefix", "text", "error", "where", "sort")}
    given["limit"] = search.limit
    return {name: value for name, value in given.items() if value}


def _redacted(value: Any, redaction: Redaction) -> Any:
    if isinstance(value, list):
        return [_redacted(one, redaction) for one in value]
    return redaction.text(value) if isinstance(value, str) else value


def _author(given: str | None) -> str:
    if given is not None:
        if not isinstance(given, str):
            raise TypeError(f"author must be a name, got {type(given).__name__}")
        return given
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):  # a user without a name, as in some containers
        return ""


def _check_target(path: Path, overwrite: bool) -> None:
    """Check that there is nothing at the path that would be lost."""
    if path.is_dir():
        raise StoreFileError(
            f"{path} is a folder", target=str(path), hint="give the path of the file to write"
        )
    if not path.exists():
        return
    if not overwrite:
        raise exists(path)
    if not is_bundle(path):
        raise StoreFileError(
            f"{path} is not a bundle, so it was not overwritten",
            target=str(path),
            hint="export to another path, or delete the file first",
        )
