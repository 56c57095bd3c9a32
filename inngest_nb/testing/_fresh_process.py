"""The process that `check_replay` starts: it replays histories and reports the differences."""

from __future__ import annotations

import importlib
import json
import os
import random
import sys
from typing import Any

from inngest_nb import wire
from inngest_nb.engine import check_history
from inngest_nb.errors import NonDeterminismError


def _main() -> None:
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # so that what the code prints does not get into the result
    module, name, seed, documents = json.loads(sys.stdin.buffer.read())
    fn: Any = importlib.import_module(module)
    for part in name.split("."):
        fn = getattr(fn, part)
    random.Random(seed).shuffle(documents)  # noqa: S311
    found: list[dict[str, Any]] = []
    for document in documents:
        try:
            check_history(fn, wire.decode(document.encode()))
        except NonDeterminismError as error:
            found.append(vars(error) | {"message": str(error)})
    names = ("message", "event_id", "recorded", "asked", "workflow_id", "run_id")
    json.dump([{name: each[name] for name in names} for each in found], answers)
    answers.close()
    sys.stderr.flush()
    os._exit(0)  # even if the code has started threads


if __name__ == "__main__":
    _main()
