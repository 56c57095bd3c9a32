"""What the history records of an error: what the code needs in a replay, and its traceback."""

from __future__ import annotations

import logging
import os
import traceback
from types import TracebackType
from typing import Any

from inngest_nb.engine.basics._functions import as_json, clean, describe

_LONGEST_TRACE = 4_000
_LONGEST_DETAILS = 64_000
_MOST_FRAMES = 30
_ENGINE = os.path.dirname(os.path.dirname(__file__)) + os.sep

_log = logging.getLogger("inngest_nb.engine")


def what_failed(error: BaseException) -> dict[str, Any]:
    """Return the fields of an event that record an error.

    They are its text, the name of its class, its `details` if they can be written as JSON, and the
    end of its traceback, without the engine's own lines.
    """
    fields: dict[str, Any] = {"error": describe(error), "error_type": clean(type(error).__name__)}
    try:
        details = as_json(getattr(error, "details", None), "details")
        if details is not None and len(repr(details)) <= _LONGEST_DETAILS:
            fields["details"] = details
    except Exception:  # noqa: BLE001  # perhaps a method, or not serializable
        _log.debug("the details of %s are not recorded", fields["error_type"], exc_info=True)
    try:
        fields["trace"] = _trace(error)
    except Exception:  # noqa: BLE001  # the error itself is still recorded
        _log.debug("the traceback of %s is not recorded", fields["error_type"], exc_info=True)
    return fields


def _trace(error: BaseException) -> str:
    frames: TracebackType | None = error.__traceback__
    while frames is not None and frames.tb_frame.f_code.co_filename.startswith(_ENGINE):
        frames = frames.tb_next
    lines = traceback.format_exception(type(error), error, frames, limit=-_MOST_FRAMES)
    text = "".join(lines)
    return clean(text if len(text) <= _LONGEST_TRACE else f"… {text[-_LONGEST_TRACE:]}")
