"""The command line: `inngest-nb lab | serve | worker | export | import | doctor`."""

from inngest_nb.cli._main import main

__all__ = ["main"]
