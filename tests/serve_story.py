"""Serve the story on a free port, print its address, and go on until stdin ends.

For what is no test: the walkthrough about a real Inngest is run against it.
"""

import sys

from story_server import StoryServer

if __name__ == "__main__":
    with StoryServer() as inngest:
        print(inngest.url, flush=True)  # noqa: T201
        sys.stdin.read()
