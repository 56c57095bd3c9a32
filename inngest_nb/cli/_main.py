"""The command and its subcommands; each loads what it needs only when it is called."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

import click

from inngest_nb._version import __version__
from inngest_nb.errors import InngestNbError

_FILE = click.Path(dir_okay=False, path_type=Path)
_NOTEBOOK = click.Path(exists=True, dir_okay=False, path_type=Path)
_FOLDER = click.Path(file_okay=False, path_type=Path)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="inngest-nb")
def main() -> None:
    """Explore, analyse and repair the state of durable workflows in Jupyter."""


@main.command()
@click.option(
    "--dir",
    "folder",
    type=_FOLDER,
    default="inngest-lab",
    show_default=True,
    help="Folder to copy the walkthroughs to.",
)
@click.option(
    "--port",
    type=click.IntRange(1, 65535),
    help="Port of JupyterLab. Default: the first free port from 8888.",
)
@click.option("--no-browser", is_flag=True, help="Do not open a browser window.")
@click.option(
    "--path",
    type=_FILE,
    help="Database file of the states. Default: .inngest-nb/state.db in the folder.",
)
@click.argument("jupyter_options", nargs=-1, type=click.UNPROCESSED)
def lab(
    folder: Path,
    port: int | None,
    no_browser: bool,
    path: Path | None,
    jupyter_options: tuple[str, ...],
) -> None:
    """Copy the walkthroughs to a folder and open the first in JupyterLab.

    Walkthroughs that you changed are kept. A state server runs alongside, and `InngestStore()` in
    a notebook connects to it. If INNGEST_NB_URL is set, notebooks use that server instead, unless
    --path is given. Options after -- are passed to JupyterLab.
    """
    from inngest_nb.cli._lab import run_lab

    if no_browser:
        jupyter_options = ("--no-browser", *jupyter_options)
    with _plain_errors():
        raise SystemExit(run_lab(folder, port, path, jupyter_options))


@main.command()
@click.option(
    "--path",
    type=_FILE,
    default=".inngest-nb/state.db",
    show_default=True,
    help="Database file of the states, created if missing.",
)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8288,
    show_default=True,
    help="Port to listen on; 0 picks a free port.",
)
@click.option(
    "--event-key-file",
    type=click.File("r"),
    help="File with the event key in its first line; - reads standard input.",
)
def serve(path: Path, host: str, port: int, event_key_file: TextIO | None) -> None:
    """Run the state server in the foreground, until Ctrl-C or SIGTERM.

    The event key is read from --event-key-file or from INNGEST_EVENT_KEY. It cannot be given on
    the command line, which other users of the machine can read.
    """
    from inngest_nb.cli._serve import run_server

    key = None if event_key_file is None else event_key_file.readline().strip()
    if key == "":
        raise click.BadParameter("the first line is empty", param_hint="--event-key-file")
    with _plain_errors():
        run_server(path, host, port, key)


@main.command()
@click.argument("functions", nargs=-1, required=True, metavar="MODULE[:FUNCTION]...")
@click.option(
    "--on",
    "--store",
    "place",
    metavar="inngest|URL|FILE",
    help='"inngest" for a real Inngest server, the URL of a state server, or a database file. '
    "Default: the state server at INNGEST_NB_URL.",
)
@click.option(
    "--lease",
    type=click.FloatRange(min=1),
    help="Seconds until other workers on a store take over if this process dies.  [default: 60]",
)
@click.option(
    "--workers",
    type=click.IntRange(min=1),
    help="Threads for plain (not async) activities of async workflows on a store.  [default: 64]",
)
@click.option(
    "--via",
    type=click.Choice(["connect", "http"]),
    help="With --on inngest: how the server reaches this process.  [default: connect]",
)
@click.option("--app-id", help="With --on inngest: the id of the app.  [default: inngest-nb]")
@click.option(
    "--url",
    help="With --on inngest: the server's address. Default: INNGEST_API_BASE_URL, "
    "INNGEST_BASE_URL, or a URL in INNGEST_DEV.",
)
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    help="With --via http: port to listen on; several workers can share it.  [default: any]",
)
@click.option(
    "--retries",
    type=int,
    help="With --on inngest: how often a step whose worker was lost is repeated.  [default: 4]",
)
def worker(
    functions: tuple[str, ...],
    place: str | None,
    lease: float | None,
    workers: int | None,
    **on_inngest: str | int | None,
) -> None:
    """Run workflows of a store that have no live owner, until Ctrl-C or SIGTERM.

    Each MODULE is imported to register its workflows; MODULE:FUNCTION registers that function.
    Workers can share a store, on one machine or many; when one dies, the others take over its
    workflows. The event key is read from INNGEST_EVENT_KEY.

    With --on inngest, a real Inngest server's engine runs the workflows, in workers such as this
    one. Its address and keys are read from INNGEST_API_BASE_URL, INNGEST_BASE_URL or INNGEST_DEV,
    and from INNGEST_SIGNING_KEY and INNGEST_EVENT_KEY.
    """
    from inngest_nb.cli._worker import run_on_inngest, run_worker

    given = {name: value for name, value in on_inngest.items() if value is not None}
    of_a_store = {"lease": lease, "workers": workers}
    astray = [name for name in of_a_store if of_a_store[name] is not None]
    if place != "inngest":
        astray = [name.replace("_", "-") for name in given]
    if astray:
        which = "a store" if place == "inngest" else "--on inngest"
        raise click.UsageError(f"--{astray[0]} is for a worker on {which} only")
    with _plain_errors():
        if place == "inngest":
            run_on_inngest(functions, given)
        else:
            run_worker(functions, place, lease or 60, workers or 64)


@main.command()
@click.argument("what", nargs=-1, required=True, metavar="NOTEBOOK... | STORE FILE")
@click.option(
    "--dir", "folder", type=_FOLDER, help="Folder for the pages. Default: the notebook's."
)
@click.option(
    "--run", is_flag=True, help="Run all cells first; the notebook itself is not changed."
)
@click.option(
    "--redact",
    multiple=True,
    metavar="PATH",
    help="Replace the values at PATH, such as input.customer or input.items[].name, with "
    "stand-ins.",
)
@click.option("--status", multiple=True, metavar="WORD", help="Only workflows with this status.")
@click.option("--workflow", multiple=True, metavar="NAME", help="Only workflows with this name.")
@click.option(
    "--since",
    metavar="TIME",
    help='Only workflows updated since TIME, such as "2h" (ago) or "2026-11-01".',
)
@click.option("--until", metavar="TIME", help="Only workflows updated until TIME.")
@click.option(
    "--where",
    metavar="CONDITION",
    help='Only workflows that match CONDITION, such as "input.total > 100 and retries > 2".',
)
@click.option(
    "--limit", type=click.IntRange(min=1), metavar="N", help="Only the newest N workflows."
)
@click.option("--author", help="Who the bundle is from.  [default: the user's name]")
@click.option("--overwrite", is_flag=True, help="Replace an existing bundle.")
def export(what: tuple[str, ...], folder: Path | None, run: bool, **options: Any) -> None:
    """Write notebooks as pages, or workflows of a store as a bundle.

    \b
    inngest-nb export report.ipynb
    inngest-nb export state.db incident.db --status failed --redact input.customer

    NOTEBOOK... (.ipynb) become HTML files that work without a kernel and offline. Widgets are
    replaced by the static pictures that were saved with them, so that nothing is loaded from the
    network. Code, text, tables and charts stay as they are. --dir and --run are for notebooks.

    STORE is a database file, a bundle, the URL of a state server, or "inngest" for the runs of the
    real Inngest server at INNGEST_API_BASE_URL, INNGEST_BASE_URL or INNGEST_DEV. FILE is the
    bundle: one file that others open with inb.open_bundle or copy into a store with `inngest-nb
    import`. The options from --redact on are for bundles. The event key is read from
    INNGEST_EVENT_KEY.
    """  # noqa: D301  # click keeps the lines after this mark as they are
    given = {name: value for name, value in options.items() if value not in (None, (), False)}
    notebooks = [Path(each) for each in what if each.endswith(".ipynb")]
    if not notebooks:
        if len(what) != 2:
            raise click.UsageError("give notebooks (.ipynb), or a store and a file for the bundle")
        if folder is not None or run:
            raise click.UsageError("--dir and --run are for notebooks (.ipynb) only")
        from inngest_nb.cli._bundles import export_bundle

        with _plain_errors():
            export_bundle(*what, given)
        return
    if len(notebooks) < len(what):
        raise click.UsageError("give either notebooks or a store and a file, not both")
    if given:
        raise click.UsageError(f"--{next(iter(given))} is for bundles only, not for notebooks")
    from inngest_nb.cli._export import export_notebook

    with _plain_errors():
        for each in what:
            notebook = _NOTEBOOK.convert(each, None, click.get_current_context())
            page, size = export_notebook(notebook, folder or notebook.parent, run)
            click.echo(f"{page}  {size / 1000:.0f} kB")


@main.command("import")
@click.argument("bundle", type=click.Path(exists=True, dir_okay=False), metavar="BUNDLE")
@click.argument("store", metavar="STORE")
@click.option("--overwrite", is_flag=True, help="Replace workflows that the store already has.")
def import_(bundle: str, store: str, overwrite: bool) -> None:
    """Copy all workflows of a bundle into a store.

    STORE is a database file, created if missing, or the URL of a state server. Workflows that it
    already has are left as they are, unless --overwrite is given. A worker on the store resumes
    those that are stored as running. The event key is read from INNGEST_EVENT_KEY.
    """
    from inngest_nb.cli._bundles import import_into

    with _plain_errors():
        import_into(bundle, store, overwrite)


@main.command()
@click.option("--base-url", help="Server to check. Default: those that notebooks would use.")
@click.option(
    "--path",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Database file of a state server: lists each damaged workflow in it.",
)
def doctor(base_url: str | None, path: Path | None) -> None:
    """Check the packages, the kernel and the server, and suggest fixes.

    Exits with 1 if something needs fixing, otherwise with 0.
    """
    from inngest_nb.environment import doctor_for_kernels

    checkup = doctor_for_kernels(base_url, path)
    click.echo(checkup)
    raise SystemExit(1 if checkup.to_do else 0)


@contextlib.contextmanager
def _plain_errors() -> Iterator[None]:
    """Show errors that the user can fix, without a traceback."""
    try:
        yield
    except (InngestNbError, ValueError) as error:
        notes = getattr(error, "__notes__", [])
        raise click.ClickException("\n".join([str(error), *notes])) from error
