"""The logger of a context: adds the run's ids to each record, and is silent in replay."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, MutableMapping
from typing import Any

_log = logging.getLogger("inngest_nb.workflow")


class RunLog(logging.LoggerAdapter[logging.Logger]):
    """Adds `workflow`, `workflow_id`, `run_id` and `activity` to each record.

    It is silent while the code is replayed, because its lines have already been logged.
    """

    def __init__(self, whose: Mapping[str, object], is_silent: Callable[[], bool]) -> None:
        super().__init__(_log, whose)
        self._is_silent = is_silent

    def isEnabledFor(self, level: int) -> bool:  # noqa: N802  # the standard library's name
        return not self._is_silent() and super().isEnabledFor(level)

    def process(
        self, msg: Any, kwargs: MutableMapping[str, Any]
    ) -> tuple[Any, MutableMapping[str, Any]]:
        given = kwargs.get("extra") or {}
        return msg, {**kwargs, "extra": {**given, **(self.extra or {})}}
