"""An HTTP face on a store: the state server, as a process or inside a notebook's kernel."""

from inngest_nb.server._local import local
from inngest_nb.server._server import StateServer

__all__ = ["StateServer", "local"]
