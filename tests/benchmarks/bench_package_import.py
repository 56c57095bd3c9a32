"""What `import inngest_nb` costs beside `import httpx`, each in a fresh interpreter."""

from __future__ import annotations

import subprocess
import sys

from alternating import compare


def fresh(module: str) -> None:
    subprocess.run([sys.executable, "-c", f"import {module}"], check=True)


if __name__ == "__main__":
    compare(
        "package: import",
        lambda: fresh("inngest_nb"),
        lambda: fresh("httpx"),
        names=("import inngest_nb", "import httpx"),
        goal=1.3,
        rounds=15,
        calls=1,
        at_most=True,
    )
