"""The state server: a store over HTTP, as its own process or inside a notebook's kernel."""

from inngest_nb.server._local import local
from inngest_nb.server._server import StateServer

__all__ = ["StateServer", "local"]
