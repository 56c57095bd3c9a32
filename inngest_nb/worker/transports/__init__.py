"""How a worker is reached: by connecting to the server, or as an HTTP server that it calls."""

from inngest_nb.worker.transports._sdk import close_client, make_client
from inngest_nb.worker.transports._transport import serve

__all__ = ["close_client", "make_client", "serve"]
