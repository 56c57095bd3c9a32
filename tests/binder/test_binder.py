"""What repo2docker, which Binder runs, would build of this repository."""

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.specifiers import SpecifierSet

REPOSITORY = Path(__file__).parent.parent.parent
BINDER = REPOSITORY / "binder"
SCRIPTS = [BINDER / "postBuild", BINDER / "start"]
PYTHON = (BINDER / "runtime.txt").read_text().strip().removeprefix("python-")


@pytest.fixture(scope="module")
def dockerfile() -> list[str]:
    """The lines of the Dockerfile; repo2docker writes it without needing Docker."""
    command = [sys.executable, "-m", "repo2docker", "--no-build", "--debug", str(REPOSITORY)]
    run = subprocess.run(command, check=True, capture_output=True, text=True)
    return [line.strip() for line in run.stdout.splitlines()]


def line_with(words: str, dockerfile: list[str]) -> int:
    """Return the number of the only line that has these words."""
    (number,) = (number for number, line in enumerate(dockerfile) if words in line)
    return number


def test_the_base_image_is_the_one_of_our_python(dockerfile: list[str]) -> None:
    lock = f"environment.py-{PYTHON}-linux".replace("-", "-2d").replace(".", "-2e")
    assert line_with(lock, dockerfile)


def test_the_emulation_pins_the_packages_of_that_base_image() -> None:
    assert [file.name for file in Path(__file__).parent.glob("base-*")] == [f"base-{PYTHON}.txt"]


def test_the_package_allows_that_python() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    assert PYTHON in SpecifierSet(project["requires-python"])


def test_the_package_is_installed_with_the_extras_of_its_walkthroughs() -> None:
    assert (BINDER / "requirements.txt").read_text().split() == [".[inngest,lab]"]


def test_the_requirements_are_installed_once_the_repository_is_there(
    dockerfile: list[str],
) -> None:
    installed = line_with('pip install --no-cache-dir -r "binder/requirements.txt"', dockerfile)
    assert line_with(" src/ ${REPO_DIR}/", dockerfile) < installed


def test_post_build_runs_when_the_requirements_are_installed(dockerfile: list[str]) -> None:
    installed = line_with('pip install --no-cache-dir -r "binder/requirements.txt"', dockerfile)
    assert line_with("RUN ./binder/postBuild", dockerfile) > installed


def test_start_is_the_entrypoint(dockerfile: list[str]) -> None:
    assert line_with('ENV R2D_ENTRYPOINT="${REPO_DIR}/binder/start"', dockerfile)


def test_start_gives_way_to_the_command_it_was_given() -> None:
    command = [str(BINDER / "start"), "sh", "-c", 'echo "$0 $1" $$', "a  b", "c*"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as started:
        said, _ = started.communicate()
    assert said == f"a  b c* {started.pid}\n"


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.name)
def test_a_script_can_be_executed_on_linux(script: Path) -> None:
    assert os.access(script, os.X_OK)
    assert script.read_bytes().startswith(b"#!/")
    assert b"\r" not in script.read_bytes()
