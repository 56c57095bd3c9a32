"""Serve the executor stand-in, print its address, and go on until stdin ends.

For what is no test in one process: the walkthrough about workers, and workers that are killed.
"""

import argparse
import sys

from inngest_engine import InngestEngine
from inngest_gateway import InngestGateway

if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--retry-interval", type=float)
    parser.add_argument("--lease", type=float, default=120, help="of workers that connect")
    given = parser.parse_args()
    with (
        InngestEngine(port=given.port, retry_interval=given.retry_interval) as inngest,
        InngestGateway(inngest, lease=given.lease),
    ):
        print(inngest.url, flush=True)  # noqa: T201
        sys.stdin.read()
