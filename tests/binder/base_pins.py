"""Print as pip requirements what Binder's base image has installed before it sees our files.

    python tests/binder/base_pins.py 3.12 > tests/binder/base-3.12.txt

repo2docker freezes its base image in a conda lock; this is the part of it that has to do with
Jupyter, under the names of the package index.
"""

import re
import sys
from importlib.resources import files

PACKAGES = (
    "anyio",
    "attrs",
    "certifi",
    "comm",
    "h11",
    "httpcore",
    "httpx",
    "idna",
    "ipykernel",
    "ipython",
    "ipywidgets",
    "jinja2",
    "jsonschema",
    "jupyter-offlinenotebook",
    "jupyter-resource-usage",
    "jupyter_client",
    "jupyter_core",
    "jupyter_server",
    "jupyterhub-singleuser",
    "jupyterlab",
    "jupyterlab_server",
    "jupyterlab_widgets",
    "markupsafe",
    "nbclient",
    "nbconvert-core",
    "nbformat",
    "nest-asyncio",
    "notebook",
    "notebook-shim",
    "pip",
    "psutil",
    "pyyaml",
    "pyzmq",
    "requests",
    "sniffio",
    "tornado",
    "traitlets",
    "typing_extensions",
    "widgetsnbextension",
)
NAME_ON_THE_INDEX = {"jupyterhub-singleuser": "jupyterhub", "nbconvert-core": "nbconvert"}
LOCKED = re.compile(r"/(?:noarch|linux-64)/(.+)-([^-/]+)-[^-/]+\.(?:conda|tar\.bz2)")


def pins(python: str) -> list[str]:
    """Return `name==version` of each package in the lock of this Python."""
    folder = files("repo2docker") / "buildpacks" / "conda"
    lock = (folder / f"environment.py-{python}-linux-64.lock").read_text(encoding="utf-8")
    versions = dict(LOCKED.findall(lock))
    found = (name for name in PACKAGES if name in versions)
    return sorted(f"{NAME_ON_THE_INDEX.get(name, name)}=={versions[name]}" for name in found)


if __name__ == "__main__":
    sys.stdout.write("\n".join(pins(sys.argv[1])) + "\n")
