"""Serve what stands in for a real Inngest in walkthroughs, print both addresses, go on until stdin ends.

The first tells the story of runs that were recorded, for the walkthrough that looks at runs. The
second runs workflows in workers, for the one about two engines.
"""

import sys

from inngest_engine import InngestEngine
from inngest_gateway import InngestGateway
from story_server import StoryServer

if __name__ == "__main__":
    with StoryServer() as story, InngestEngine(retry_interval=2) as engine, InngestGateway(engine):
        print(story.url, engine.url, flush=True)  # noqa: T201
        sys.stdin.read()
