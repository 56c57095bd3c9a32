"""The floor plan: which room may know which, and which library may be known where."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "inngest_nb"
FILES = sorted(file.relative_to(PACKAGE).as_posix() for file in PACKAGE.rglob("*.py"))

# A room imports itself and what lies below it, never upwards and never another of its floor.
FLOORS = {
    "_df_wf": 0,
    "_renamed": 0,
    "_version": 0,
    "errors": 0,
    "state": 0,
    "words": 0,
    "findings": 1,
    "nesting": 1,
    "progress": 1,
    "wire": 1,
    "history": 2,
    "query": 3,
    "store": 4,
    "api": 5,
    "bundles": 5,
    "engine": 5,
    "server": 5,
    "environment": 6,
    "frames": 6,
    "samples": 6,
    "testing": 6,
    "worker": 6,
    "notebook": 7,
    "cli": 8,
    "__init__": 9,
    "__main__": 9,
}

# Rooms within a room have floors too. The room's own files are one of them, named "".
INNER_FLOORS = {
    ("api", "basics"): 0,
    ("api", "calls"): 1,
    ("api", ""): 2,
    ("api", "reading"): 3,
    ("api", "states"): 4,
    ("engine", "basics"): 0,
    ("engine", "history"): 1,
    ("engine", "threads"): 2,
    ("engine", "run"): 3,
    ("engine", "calls"): 4,
    ("engine", "code"): 5,
    ("engine", "driven"): 6,
    ("engine", ""): 7,
    ("frames", "basics"): 0,
    ("frames", "insight"): 1,
    ("frames", "charts"): 2,
    ("frames", ""): 3,
    ("frames", "inngest"): 4,
    ("frames", "acting"): 5,
    ("frames", "health"): 5,
    ("frames", "sql"): 5,
    ("notebook", "page"): 0,
    ("notebook", "timeline"): 1,
    ("notebook", "live"): 2,
    ("notebook", "waterfall"): 2,
    ("notebook", "forms"): 3,
    ("notebook", "compare"): 4,
    ("notebook", "overview"): 4,
    ("notebook", "replay"): 4,
    ("notebook", "sending"): 4,
    ("notebook", "explore"): 5,
    ("notebook", ""): 6,
    ("store", ""): 0,
    ("store", "tables/sqlite"): 1,
    ("store", "tables"): 2,
    ("store", "http/calls"): 1,
    ("store", "http"): 2,
}

# Rooms whose inner rooms have no doors: within, their files know each other.
ONE_DOOR = ("api/", "engine/", "frames/")

# The files that may import a library, by how their paths begin.
LIBRARIES = {
    "IPython": ["notebook/", "frames/charts/_figure.py", "progress.py"],
    "anywidget": ["notebook/explore/_table.py", "notebook/page/_moving.py"],
    "click": ["cli/"],
    "duckdb": ["frames/sql/"],
    "httpcore": [
        "store/http/calls/direct.py",
        "store/http/calls/streams.py",
    ],  # what httpx sends by
    "httpx": ["api/", "store/http/"],
    "inngest": ["worker/"],
    "ipykernel": ["environment/"],
    "ipywidgets": ["notebook/"],
    "jinja2": ["notebook/", "frames/basics/_markup.py", "bundles/_info.py"],
    "jupyter_client": ["environment/"],
    "jupyter_core": ["cli/"],
    "markupsafe": ["notebook/"],
    "matplotlib": ["frames/charts/_drawing.py", "frames/charts/_figure.py"],
    "msgspec": [
        "api/",
        "state.py",
        "wire/",
        "store/",
        "server/",
        "samples",
        "history/",
        "query/",
        "notebook/",
        "bundles/",
        "engine/basics/_typed.py",
        "frames/basics/_fields.py",
        "frames/inngest/_rows.py",
    ],
    "nbclient": ["cli/_export.py"],
    "nbconvert": ["cli/_export.py"],
    "nbformat": ["cli/_export.py"],
    "nest_asyncio2": ["nesting.py"],
    "numpy": ["frames/"],
    "opentelemetry": ["engine/_otel.py"],
    "pandas": ["frames/", "notebook/"],
    "sqlite3": ["api/reading/_kept", "store/tables/_sqlite.py", "store/tables/sqlite/", "bundles/"],
    "starlette": ["server/", "worker/transports/_http.py"],
    "tqdm": ["progress.py"],
    "traitlets": ["notebook/explore/_table.py", "notebook/page/_moving.py"],
    "uvicorn": ["server/", "worker/transports/_http.py"],
    "uvloop": ["server/"],
}


@pytest.mark.parametrize("file", FILES)
def test_a_file_imports_its_own_room_and_lower_floors_only(file: str) -> None:
    home = file.partition("/")[0].removesuffix(".py")
    assert home in FLOORS, "a new room wants a floor"
    rooms = {room_of(name) for name in imports(file) if name.startswith("inngest_nb")}
    assert [room for room in rooms - {home} if FLOORS[room] >= FLOORS[home]] == []


@pytest.mark.parametrize("file", FILES)
def test_a_library_is_imported_only_where_it_belongs(file: str) -> None:
    libraries = {name.partition(".")[0] for name in imports(file)} - {"inngest_nb"}
    free = sys.stdlib_module_names - LIBRARIES.keys()
    astray = [
        name
        for name in libraries - free
        if not any(file.startswith(place) for place in LIBRARIES.get(name, ()))
    ]
    assert astray == []


def imports(file: str) -> Iterator[str]:
    """Yield the full name of everything a file imports, wherever in the file it does so."""
    for node in ast.walk(ast.parse((PACKAGE / file).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are written from the package's name"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def room_of(name: str) -> str:
    """Return the room of a module; a name of the package itself comes from its door."""
    room = name.split(".")[1:2]
    return room[0] if room and room[0] in FLOORS else "__init__"


@pytest.mark.parametrize("file", FILES)
def test_a_file_of_an_inner_room_imports_lower_inner_rooms_only(file: str) -> None:
    home = inner_room_of(file)
    if home is None or file.endswith("__init__.py"):
        return  # a door shows what lies behind it
    above = [
        name
        for name in imported_files(file)
        if (room := inner_room_of(name)) is not None
        and room[0] == home[0]
        and room != home
        and INNER_FLOORS[room] >= INNER_FLOORS[home]
    ]
    assert above == []


@pytest.mark.parametrize("file", FILES)
def test_a_file_goes_into_another_room_by_its_door(file: str) -> None:
    behind_doors = [name for name in imported_files(file) if Path(name).name.startswith("_")]
    astray = [
        name
        for name in behind_doors
        if not name.endswith("__init__.py")
        and not Path(file).is_relative_to(Path(name).parent)
        and not (file.startswith(ONE_DOOR) and file.split("/")[0] == name.split("/")[0])
    ]
    assert astray == []


@pytest.mark.parametrize("room", sorted({file.rpartition("/")[0] for file in FILES}))
def test_a_room_has_twelve_files_at_most(room: str) -> None:
    assert len([file for file in FILES if file.rpartition("/")[0] == room]) <= 12


def test_no_files_import_each_other_in_a_circle() -> None:
    graph = {file: set(imported_files(file)) for file in FILES if not file.endswith("__init__.py")}
    while free := {file for file, wanted in graph.items() if not wanted & graph.keys()}:
        for file in free:
            del graph[file]
    assert sorted(graph) == []


def inner_room_of(file: str) -> tuple[str, str] | None:
    """Return the room and the inner room of a file, if its room has inner ones."""
    room, _, rest = file.partition("/")
    inner = rest.rpartition("/")[0]
    return (room, inner) if (room, inner) in INNER_FLOORS else None


def imported_files(file: str) -> Iterator[str]:
    """Yield the files of the package that a file imports, by their paths."""
    for name in imports(file):
        parts = name.split(".")[1:]
        for length in (len(parts), len(parts) - 1):
            for path in (
                "/".join(parts[:length]) + ".py",
                "/".join([*parts[:length], "__init__.py"]),
            ):
                if path in FILES and path != file:
                    yield path
                    break
