"""Limits how deep documents nest, and reads deep ones even if the caller's stack is nearly full."""

from __future__ import annotations

import _thread
import re
from collections.abc import Callable
from typing import TypeVar

Result = TypeVar("Result")

# The maximum nesting of a payload. What Python can read varies; 3.11 fails at about 985 levels.
MAX_DEPTH = 500
# A payload is inside an event, which is in the history, which is in the document.
DOCUMENT_DEPTH = MAX_DEPTH + 3

_BRACKETS = bytes.maketrans(b"{}", b"[]")
_OTHERS = bytes(set(range(256)) - set(b'[]{}"'))
_STRING = re.compile(rb'"[^"]*"')
_FOLDS = 8
_SAMPLE = 2**16  # bytes that tell whether counting the brackets of a long text is of use


def is_deeper(text: bytes, most: int) -> bool:
    """Tell whether JSON text nests deeper than `most` levels, without parsing it."""
    if len(text) < 2 * most:
        return False
    end = len(text) - most  # the deepest value is followed by as many closing brackets
    if _openings(text, min(end, _SAMPLE)) <= most and (
        end <= _SAMPLE or _openings(text, end) <= most
    ):
        return False
    if b"\\" in text:  # after this, every quote starts or ends a string
        text = text.replace(b"\\\\", b"").replace(b'\\"', b"")
    brackets = text.translate(_BRACKETS, _OTHERS).replace(b'""', b"")
    if b'"' in brackets:  # some strings contain brackets
        brackets = _STRING.sub(b"", brackets)
    level = 0
    while level < _FOLDS and brackets:  # remove the innermost level; most documents have few levels
        if level + len(brackets) // 2 <= most:
            return False
        brackets = brackets.replace(b"[]", b"")
        level += 1
    if level > most:
        return True
    for bracket in brackets:
        level += 92 - bracket  # [ is 91, ] is 93
        if level > most:
            return True
    return False


def _openings(text: bytes, end: int) -> int:
    """Count the opening brackets up to a place, those in strings too."""
    return text.count(b"[", 0, end) + text.count(b"{", 0, end)


def flat(work: Callable[..., Result], *given: object) -> Result:
    """Call a function; if the caller's stack is too full for it, in a new thread.

    Raises `RecursionError` if it fails there, too.
    """
    try:
        return work(*given)
    except RecursionError as error:
        full = error
    results: list[Result] = []
    errors: list[BaseException] = []
    done = _thread.allocate_lock()
    done.acquire()

    def call() -> None:
        try:
            results.append(work(*given))
        except BaseException as error:  # noqa: BLE001  # raised in the waiting thread
            errors.append(error)
        finally:
            done.release()

    try:
        # Not `threading.Thread`, because starting one may need more stack than is left.
        _thread.start_new_thread(call, ())
    except RuntimeError:  # no thread could be started
        raise full from None
    done.acquire()
    if errors:
        raise errors[0]
    return results[0]
