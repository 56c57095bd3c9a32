"""Our workflows on the engine of a real Inngest server, through its official SDK."""

from inngest_nb.worker._serve import serve_on_inngest
from inngest_nb.worker._worker import InngestWorker

__all__ = ["InngestWorker", "serve_on_inngest"]
