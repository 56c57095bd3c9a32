"""Bundles: workflows of a store into a file, and from there into another store."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click

from inngest_nb.bundles import export, import_bundle, open_bundle
from inngest_nb.cli._stores import open_source, open_store


def export_bundle(place: str, path: str, options: dict[str, Any]) -> None:
    """Write workflows of a store into a bundle, and print its metadata."""
    with open_source(place) as store, _plain_warnings():
        info = export(store, path, **options)
    click.echo(info)


def import_into(bundle: str, place: str, overwrite: bool) -> None:
    """Copy the workflows of a bundle into a store, and print how many."""
    with open_bundle(bundle) as opened, open_store(place) as store:
        imported = import_bundle(opened, store, overwrite)
    click.echo(imported)
    if imported.open:
        have = "has" if imported.open == 1 else "have"
        click.echo(
            f"{imported.open:,} {have} not ended: a worker on this store resumes what is stored as "
            "running."
        )


@contextmanager
def _plain_warnings() -> Iterator[None]:
    """Print warnings without the lines of code that they come from."""
    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        yield
    for warning in found:
        click.echo(f"Warning: {warning.message}", err=True)
