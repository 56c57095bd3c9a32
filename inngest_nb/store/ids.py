"""Which workflow ids can be kept, and how one stands in a path."""

from __future__ import annotations

from urllib.parse import quote

MAX_ID_BYTES = 4096


def check_id(workflow_id: str) -> str:
    """Return the id, or raise `ValueError` for one that cannot travel in a path.

    Clients and servers fold `.` and `..` out of a path before anyone sees them.
    """
    if not isinstance(workflow_id, str):
        raise TypeError(f"a workflow id is text, got {type(workflow_id).__name__}")
    if workflow_id in ("", ".", ".."):
        raise ValueError(f"{workflow_id!r} cannot be a workflow id: it would vanish from the path")
    try:
        length = len(workflow_id.encode())
    except UnicodeEncodeError as error:
        raise ValueError("a workflow id with half of a surrogate pair cannot be sent") from error
    if length > MAX_ID_BYTES:
        raise ValueError(f"a workflow id has at most {MAX_ID_BYTES:,} bytes, this one {length:,}")
    # The text itself, of a word of an enum or of NumPy.
    return workflow_id if type(workflow_id) is str else str.__str__(workflow_id)


def path_of(workflow_id: str) -> str:
    """Give the contract's path of a workflow, with all but RFC 3986's unreserved encoded."""
    return "/v1/workflows/" + quote(check_id(workflow_id), safe="")
