"""What this server has and others lack: asked for once, when somebody wants to know.

Later servers take `query` on run lists, a CEL expression over events and outputs. It is right for
nothing that is asked here: runs whose event was sent with an id of its own are never found, what is
found has a wrong end, an expression over outputs fails as soon as a run returned bare text, and
two conditions together may take minutes. So no call sends it, and searches read events and runs and
compare them here. That it is there is only told, by `features`.
"""

from __future__ import annotations

from inngest_nb.api.basics import _quirks
from inngest_nb.api.basics._exchange import Operation, Server
from inngest_nb.api.basics._failures import Request, refused
from inngest_nb.api.basics._values import ServerFeatures
from inngest_nb.api.calls import _graphql
from inngest_nb.api.calls._catalog import V2

# A window in which no server has a run: a page costs what lies in its window.
_NEVER = (("from", "2000-01-01T00:00:00Z"), ("until", "2000-01-01T00:00:01Z"), ("limit", "1"))
_BROKEN = ("query", "((")


def features(server: Server) -> Operation[ServerFeatures]:
    """Ask what the server has; the answer is kept for as long as the client."""
    if server.features is None:
        request = Request("features", "GET", f"{V2}/runs", (*_NEVER, _BROKEN), again=True)
        response = yield from server.signed(request)
        said = yield from server.read(request, response)
        trouble = _quirks.trouble(response.status, said)
        # One that does not know the parameter ignores it, however broken the expression.
        if trouble is not None and trouble.status != 400:
            raise refused(server.settings, request, trouble)
        told = yield from _graphql.ask(server, "features", _graphql.APPS)
        server.features = ServerFeatures(
            graphql=told.because is None, run_query=trouble is not None
        )
    return server.features
