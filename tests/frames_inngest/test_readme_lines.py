"""The README's lines about a real Inngest do what they say."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

from story_records import story
from story_server import StoryServer

from inngest_nb import InngestAPI

README = Path(__file__).parents[2] / "README.md"
SHOWN = """
import json
print(json.dumps([[*failed["status"]], [*mine["function"]], len(steps), health.to_do]))
api.close()
"""


def test_the_lines_of_the_readme_run_as_they_stand(tmp_path: Path) -> None:
    block, _ = re.findall(r"^```py\n(.*?)^```", README.read_text(encoding="utf-8"), re.S | re.M)
    assert len(block.splitlines()) == 7
    # The story was recorded then, and stays.
    age = datetime.now(UTC) - datetime.fromisoformat(story().rows[0].record.item["startedAt"])
    lines = block.replace("30d", f"{abs(age.days) + 30}d")
    program = tmp_path / "pasted.py"
    program.write_text(f"import inngest_nb as inb\n{lines}{SHOWN}", encoding="utf-8")
    with StoryServer() as inngest, InngestAPI(inngest.url) as api:
        api.send("lab/tiny", {"user": {"id": "u7"}, "items": 4})
        done = subprocess.run(
            [sys.executable, "-W", "error", program],
            env=os.environ | {"INNGEST_BASE_URL": inngest.url},
            capture_output=True,
            text=True,
        )
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout) == [["failed", "failed"], ["tiny"], 5, 0]
