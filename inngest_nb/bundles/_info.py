"""The metadata of a bundle."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from functools import cache
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from msgspec import Meta, Struct

from inngest_nb.words import count_text, in_columns, short, time_text

if TYPE_CHECKING:
    from jinja2 import Template

FORMAT = 1
_OF_FILE = ("path", "size", "checksum")  # what is not part of the stored text
_MOST = 200  # characters of a text that the reprs show
_SHOWN = 20  # redacted paths and statuses


class BundleInfo(Struct, frozen=True, kw_only=True):
    """A bundle's metadata: who exported what, when, and from which store.

    `workflows` and `events` are their numbers, `statuses` those of workflows by status. `filter`
    has the arguments of the search, `redacted` the redacted paths, `left_out` the number of
    workflows that could not be read in the store. `exported_at` is in UTC. `source` is the name of
    the store, or None if states were passed in; it never contains a key. `path` is the file, `size`
    its bytes, and `checksum` the SHA-256 of its contents, which is verified when it is opened.
    """

    workflows: int
    events: int
    statuses: dict[str, int]
    exported_at: Annotated[datetime, Meta(tz=True)]
    author: str = ""
    source: str | None = None
    filter: dict[str, Any] = {}
    redacted: tuple[str, ...] = ()
    left_out: int = 0
    written_by: str = ""
    format: int = FORMAT
    path: str = ""
    size: int = 0
    checksum: str = ""

    def __repr__(self) -> str:
        head = f"{short(Path(self.path).name, _MOST)}: a bundle of {self._counted()}"
        return "\n".join([head, *("  " + line for line in in_columns(self._lines()))])

    def _repr_html_(self) -> str:
        title = f"{short(Path(self.path).name, _MOST)}: a bundle of {self._counted()}"
        return _template().render(title=title, lines=self._lines())

    def _counted(self) -> str:
        return (
            f"{count_text(self.workflows, 'workflow')} with {count_text(self.events, 'event')}, "
            f"{self.size / 1000:,.0f} kB"
        )

    def _lines(self) -> list[tuple[str, str]]:
        """Return what there is to say, each with its name."""
        told = {
            "status": _listed(
                f"{count:,} {word or 'not set'}" for word, count in self.statuses.items()
            ),
            "exported": time_text(self.exported_at) + (f" by {self.author}" if self.author else ""),
            "from": self.source or "states that were passed in",
            "filter": _listed(f"{name}={value!r}" for name, value in self.filter.items()),
            "redacted": _listed(self.redacted),
            "left out": f"{self.left_out:,} that could not be read" if self.left_out else "",
            "written by": self.written_by,
            "checksum": self.checksum,
        }
        return [(name, short(text, _MOST)) for name, text in told.items() if text]


def encoded(info: BundleInfo) -> str:
    """Write the metadata as the text that the file of a bundle keeps."""
    entries = msgspec.to_builtins(info)
    kept = {name: value for name, value in entries.items() if name not in _OF_FILE}
    return msgspec.json.encode(kept).decode()


def decoded(text: str, **of_file: Any) -> BundleInfo:
    """Read the text of a file. Raises `msgspec.DecodeError` if it is not what `encoded` writes."""
    info: BundleInfo = msgspec.structs.replace(_info_of(text), **of_file)
    return info


_info_of = msgspec.json.Decoder(BundleInfo).decode


def _listed(items: Iterable[str]) -> str:
    shown = list(islice(items, _SHOWN + 1))
    return ", ".join([*shown[:_SHOWN], *("…" for _ in shown[_SHOWN:])])


@cache
def _template() -> Template:
    from jinja2 import Environment, PackageLoader, StrictUndefined  # for a notebook only

    templates = Environment(
        loader=PackageLoader("inngest_nb.bundles", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return templates.get_template("info.html.j2")
