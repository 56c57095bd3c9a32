"""The command and its subcommands; each loads what it needs only when it is called."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

import click

from inngest_nb._version import __version__
from inngest_nb.errors import InngestNbError

_FILE = click.Path(dir_okay=False, path_type=Path)
_FOLDER = click.Path(file_okay=False, path_type=Path)


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="inngest-nb")
def main() -> None:
    """Look at, analyse and mend the state of durable workflows in Jupyter."""


@main.command()
@click.option(
    "--dir",
    "folder",
    type=_FOLDER,
    default="inngest-lab",
    show_default=True,
    help="Folder for the walkthroughs.",
)
@click.option(
    "--port",
    type=click.IntRange(1, 65535),
    help="Port of JupyterLab, instead of the first free from 8888.",
)
@click.option("--no-browser", is_flag=True, help="Open no browser window.")
@click.option(
    "--path", type=_FILE, help="File of the states, instead of .inngest-nb/state.db in the folder."
)
@click.argument("jupyter_options", nargs=-1, type=click.UNPROCESSED)
def lab(
    folder: Path,
    port: int | None,
    no_browser: bool,
    path: Path | None,
    jupyter_options: tuple[str, ...],
) -> None:
    """Copy the walkthroughs into a folder and open them in JupyterLab.

    Walkthroughs that you changed are kept as they are. A state server runs alongside, so that
    `InngestStore()` in a notebook has one to talk to; if INNGEST_BASE_URL names another server,
    notebooks talk to that one, unless --path is given. Options after -- go to JupyterLab.
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
    help="File of the states; it is made if it is not there.",
)
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8288,
    show_default=True,
    help="Port to listen on; 0: a free one.",
)
@click.option(
    "--event-key-file",
    type=click.File("r"),
    help="File whose first line is the event key; - reads it from the input.",
)
def serve(path: Path, host: str, port: int, event_key_file: TextIO | None) -> None:
    """Run the state server in the foreground, until Ctrl-C or SIGTERM.

    The event key comes from --event-key-file or else from INNGEST_EVENT_KEY. It is no option of
    its own: other users of the machine can read a command line.
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
    "--store",
    help="Address of a state server, or file of the states; else the server of INNGEST_BASE_URL.",
)
@click.option(
    "--lease",
    type=click.FloatRange(min=1),
    default=60,
    show_default=True,
    help="Seconds after which others take over if this process is gone.",
)
@click.option(
    "--workers",
    type=click.IntRange(min=1),
    default=64,
    show_default=True,
    help="How many plain activities of async workflows run at a time.",
)
def worker(functions: tuple[str, ...], store: str | None, lease: float, workers: int) -> None:
    """Run workflows of a store that nobody runs, until Ctrl-C or SIGTERM.

    Each MODULE is imported and registers its workflows; MODULE:FUNCTION registers that one. Several
    workers share a store, on one machine or on many, and take over from one that dies. The event
    key comes from INNGEST_EVENT_KEY.
    """
    from inngest_nb.cli._worker import run_worker

    with _plain_errors():
        run_worker(functions, store, lease, workers)


@main.command()
@click.option("--base-url", help="Server to look at, instead of the one of INNGEST_BASE_URL.")
@click.option(
    "--path",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="File of the states; each workflow in it that is damaged is listed.",
)
def doctor(base_url: str | None, path: Path | None) -> None:
    """Tell versions, kernel and server, and what to do about them.

    Exits with 1 if something wants to be done, else with 0.
    """
    from inngest_nb.checkup import doctor_for_kernels

    checkup = doctor_for_kernels(base_url, path)
    click.echo(checkup)
    raise SystemExit(1 if checkup.to_do else 0)


@contextlib.contextmanager
def _plain_errors() -> Iterator[None]:
    """Show what went wrong without a traceback; it is the user's to mend."""
    try:
        yield
    except (InngestNbError, ValueError) as error:
        notes = getattr(error, "__notes__", [])
        raise click.ClickException("\n".join([str(error), *notes])) from error
