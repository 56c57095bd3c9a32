"""Notebooks as web pages that need neither a kernel nor a network."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

# What a page can show without scripts, the best first. Widgets are not among it: their static
# HTML is in the same output.
_SHOWN = [
    *("text/html", "text/markdown", "image/svg+xml", "image/png", "image/jpeg"),
    *("text/latex", "text/plain"),
]


def export_notebook(notebook: Path, folder: Path, run: bool) -> tuple[Path, int]:
    """Write a notebook as an HTML file into a folder; return its path and its size in bytes.

    With `run`, all cells of a copy are run first, in the notebook's folder. Raises
    `click.ClickException` if the file is not a notebook, or if a cell fails; then nothing is
    written.
    """
    try:
        import nbformat
        from nbconvert.exporters import HTMLExporter
    except ImportError as error:
        raise click.ClickException(
            'nbconvert is not installed in this Python; pip install "inngest-nb[lab]"'
        ) from error
    try:
        content = nbformat.read(notebook, as_version=4)  # type: ignore[no-untyped-call]
    except Exception as error:  # whatever a file that is no notebook leads to
        raise click.ClickException(f"{notebook} is not a Jupyter notebook") from error
    if run:
        _run(content, notebook)
    content.metadata.pop("widgets", None)  # only scripts from the network could draw these
    exporter = HTMLExporter(  # type: ignore[no-untyped-call]
        template_name="page",
        extra_template_basedirs=[str(Path(__file__).parent)],
        embed_images=True,
        display_data_priority=_SHOWN,
    )
    name = {"metadata": {"name": notebook.stem, "path": str(notebook.parent)}}
    html, _ = exporter.from_notebook_node(content, resources=name)
    folder.mkdir(parents=True, exist_ok=True)
    page = folder / f"{notebook.stem}.html"
    return page, page.write_bytes(html.encode("utf-8", "replace"))


def _run(content: Any, notebook: Path) -> None:
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

    client = NotebookClient(
        content,
        timeout=600,
        store_widget_state=False,
        extra_arguments=["--IPKernelApp.log_level=ERROR"],
        resources={"metadata": {"path": str(notebook.parent)}},
    )
    try:
        client.execute()
    except (CellExecutionError, CellTimeoutError, DeadKernelError) as error:
        raise click.ClickException(f"{notebook} could not be run: {error}") from error
