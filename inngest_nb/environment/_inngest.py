"""Greets a real Inngest server: which keys it takes, and what can be done with it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from urllib.parse import urlsplit

from inngest_nb import words
from inngest_nb.api import InngestAPI
from inngest_nb.errors import InngestAuthError, InngestError
from inngest_nb.findings import Finding, Level
from inngest_nb.store.http import ServerKind

_GREETING = "to see what is wrong there, and which runs failed, in a notebook:"
_RUNS = "to look at its runs, in a notebook:"


def inngest(base: str, said: str, kind: ServerKind, timeout: float) -> Iterator[Finding]:
    """Report what a real Inngest server answers, and show the first lines to write."""
    if kind is ServerKind.INNGEST_DASHBOARD:
        parts = urlsplit(base)
        origin = f"{parts.scheme}://{parts.netloc}"
        yield Finding(Level.TO_DO, "Inngest", said, _RUNS, code_for(origin))
        return
    refused: InngestError | None = None
    try:
        # Of the event key, which nothing here needs, the caller has told.
        with InngestAPI(base, event_key="", timeout=timeout) as api:
            said += f"; {words.count_text(len(api.apps()), 'app')}"
    except ValueError as error:
        yield Finding(Level.TO_DO, "signing key", str(error), _cure(base))
    except InngestError as error:
        refused = error
    if refused is not None:
        is_key = isinstance(refused, InngestAuthError)
        yield Finding(
            Level.TO_DO,
            "signing key" if is_key else "Inngest",
            str(refused).removeprefix("inngest apps: "),
            "; ".join(refused.__notes__),
        )
    yield Finding(Level.OK, "Inngest", said, _GREETING, code_for(base))


def _cure(base: str) -> str:
    """Say what to do about a signing key that no client would take to an address."""
    try:
        with InngestAPI(base, event_key="", allow_insecure=True):
            return "use an https:// address"
    except ValueError:
        return "set INNGEST_SIGNING_KEY to the key that the server was started with"


def code_for(base: str) -> tuple[str, ...]:
    """Return the first lines to write about a server, without its address where it is known."""
    api = "api"
    with suppress(ValueError), InngestAPI() as known:  # of a variable that is no address
        api = "" if known.base_url == base else "api"
    first = (f"api = inb.InngestAPI({base!r})",) if api else ()
    given = f"{api}, " if api else ""
    return (
        "import inngest_nb as inb",
        *first,
        f"inb.checkup({api})",
        f'inb.search_runs({given}status="failed", since="7d")',
    )
