#!/bin/bash
# Builds what Binder would build of the last commit, without containers, and runs every notebook:
#
#     tests/binder/emulate.sh [FOLDER]
#
# FOLDER (a new temporary one by default) then holds `home`, the visitor's files, and `venv`, the
# environment, for instance to run the browser tests against it with LAB_PYTHON. PYTHON names the
# interpreter; by default it is python3.12 as on Binder, else python3.
#
# Different from Binder all the same: wheels instead of conda's builds, this machine's system
# libraries, user and memory, no JupyterHub in front.
set -euo pipefail

here=$(dirname "$(realpath "${BASH_SOURCE[0]}")")
checkout=$(git -C "$here" rev-parse --show-toplevel)
folder=$(realpath -m "${1:-$(mktemp -d)}")
home=$folder/home
venv=$folder/venv

python=${PYTHON:-python3.12}
"$python" -c '' 2>/dev/null || python=python3

say() { printf '\n-- %s\n' "$*"; }

# As in the image: REPO_DIR is the home, and the environment holds nothing of this machine's.
in_image=(
    env -i HOME="$home" REPO_DIR="$home" USER=jovyan SHELL=/bin/bash LANG=C.UTF-8 LC_ALL=C.UTF-8
    PATH="$venv/bin:/usr/local/bin:/usr/bin:/bin" NB_PYTHON_PREFIX="$venv"
    KERNEL_PYTHON_PREFIX="$venv" no_proxy=127.0.0.1 PYTHONUNBUFFERED=1
)

say "the committed files and the base image's packages ($("$python" --version), $folder)"
mkdir -p "$home"
git -C "$checkout" archive HEAD | tar -x -C "$home"
cd "$home"
"$python" -m venv "$venv"
# On Binder it is not pip either that installs these.
if command -v uv >/dev/null; then
    uv pip install -q --python "$venv/bin/python" -r "$here/base-3.12.txt"
else
    "$venv/bin/python" -m pip install -q -r "$here/base-3.12.txt"
fi

say "binder/requirements.txt"
"$venv/bin/python" -m pip install -q -r binder/requirements.txt
"$venv/bin/python" -m pip check
"${in_image[@]}" python - "$here/base-3.12.txt" <<'END'
import sys
from importlib.metadata import version

# The base image's kernel leaves cells unread now and then; with a newer one come these.
meant = {"ipykernel", "jupyter_client", "tornado"}
pins = [line.strip().split("==") for line in open(sys.argv[1])]
changed = [f"{name}: {version(name)} instead of {pin}" for name, pin in pins if version(name) != pin]
changed = [change for change in changed if change.partition(":")[0] not in meant]
sys.exit("\n".join(["our requirements replace what the base image has:", *changed]) if changed else 0)
END

say "binder/postBuild"
"${in_image[@]}" ./binder/postBuild

say "binder/start"
port=$("$python" -c 'import socket as s; print(s.create_server(("127.0.0.1", 0)).getsockname()[1])')
"${in_image[@]}" ./binder/start jupyter lab --no-browser --allow-root --ip=127.0.0.1 --port="$port" \
    --IdentityProvider.token=visitor >"$folder/lab.log" 2>&1 </dev/null &
lab=$!
trap 'kill "$lab" || true; wait "$lab" || true' EXIT
"${in_image[@]}" python - "$port" <<'END' || { cat "$folder/lab.log"; exit 1; }
import sys, time, urllib.request

url = f"http://127.0.0.1:{sys.argv[1]}/api/kernelspecs?token=visitor"
deadline = time.monotonic() + 60
while True:
    try:
        print(urllib.request.urlopen(url, timeout=5).read(80).decode(), "…")
        break
    except OSError:
        if time.monotonic() > deadline:
            sys.exit("JupyterLab did not answer")
        time.sleep(0.2)
END

# Two of them are about a real Inngest, which a visitor of Binder lacks.
coproc inngest { "$venv/bin/python" tests/serve_walkthroughs.py; }
read -r story engine <&"${inngest[0]}"

for notebook in notebooks/*.ipynb; do
    say "$notebook"
    server=INNGEST_API_BASE_URL=$story
    [[ $notebook != */08_* ]] || server=INNGEST_BASE_URL=$engine
    "${in_image[@]}" "$server" jupyter execute --timeout=300 "$notebook"
done
