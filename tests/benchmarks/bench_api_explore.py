"""What explore takes in a browser over 100,000 runs of a real Inngest: first paint, filters, bytes.

The story server is in a process of its own and takes as long for each list as the real one does; so
are JupyterLab and the kernel, which has imported everything before. Once everything has been read,
times run in the page, from the click to the frame that shows its effect; "filter while reading" is
taken before, and "bytes" are what went over the page's sockets up to then.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench_notebook_explore import CLEAR, REMARK, ROWS, RUN, Traffic, seconds
from playwright.sync_api import Page, sync_playwright

sys.path.insert(0, str(Path(__file__).parent.parent))

from jupyterlab_driver import CHROMIUM_ARGS, LabPage, find_chromium
from jupyterlab_server import LabServer
from story_server import StoryServer

COUNT = 100_000
ROUNDS = 3
GOALS = {
    "first paint": 1.0,
    "filter": 0.3,
    "filter while reading": 0.3,
    "page": 0.3,
    "sort": 0.3,
    "choose": 0.3,
    "bytes": 500_000,
}


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        command = [sys.executable, __file__, "serve"]
        story = subprocess.Popen(command, stdout=subprocess.PIPE, stdin=subprocess.PIPE, text=True)
        assert story.stdout is not None
        url = story.stdout.readline().strip()
        lab_server = LabServer(sys.executable, folder / "lab")
        lab_server.start()
        try:
            with sync_playwright() as playwright:
                chromium = playwright.chromium.launch(
                    executable_path=find_chromium(), args=CHROMIUM_ARGS
                )
                page = chromium.new_page(viewport={"width": 1280, "height": 900})
                page.set_default_timeout(300_000)
                traffic = Traffic(page)
                lab = LabPage(page, lab_server, lab_server.root / "bench", folder)
                measure(lab, traffic, url)
                chromium.close()
        finally:
            lab_server.stop()
            story.communicate("")


def serve() -> None:
    with StoryServer(runs=COUNT, charge=time.sleep) as server:
        print(server.url, flush=True)
        sys.stdin.read()


def measure(lab: LabPage, traffic: Traffic, url: str) -> None:
    opened = f"import inngest_nb as inb\napi = inb.InngestAPI({url!r})\ninb.explore"
    lab.open_cells(opened, "shown = inb.explore(api)\nshown")
    lab.run_all()
    taken: dict[str, list[float]] = {name: [] for name in GOALS}
    for _ in range(ROUNDS):
        lab.page.evaluate(f"() => {CLEAR}")
        lab.page.wait_for_function(f"() => {ROWS}.length === 0")
        before = traffic.bytes
        taken["first paint"].append(seconds(lab.page, RUN, f"{ROWS}.length === 25"))
        begun = time.monotonic()
        lab.page.wait_for_function(f"() => {REMARK}.includes('read so far')")
        look_for(lab.page, taken["filter while reading"], "flaky", "waiter", "")
        lab.page.wait_for_function(f"() => {REMARK}.includes('of {COUNT:,} runs')")
        print(f"all {COUNT:,} were there after {time.monotonic() - begun:.0f} s", flush=True)
        taken["bytes"].append(traffic.bytes - before)
        use(lab.page, taken)
    for name, values in taken.items():
        report(name, values)


def look_for(page: Page, taken: list[float], *texts: str) -> None:
    """Filter by each of these texts; the last one is empty."""
    for text in texts:
        value = f"field.value = {json.dumps(text)}"
        typed = "field.dispatchEvent(new Event('input', {bubbles: true}))"
        act = f"const field = document.querySelector('.inb-filter input'); {value}; {typed}"
        said = f"{REMARK}.includes('found') === {json.dumps(bool(text))}"
        first = f"{ROWS}[0].cells[1].textContent.includes({json.dumps(text)})"
        taken.append(seconds(page, act, f"{said} && {first}"))


def use(page: Page, taken: dict[str, list[float]]) -> None:
    """Filter, turn pages, sort and choose, once each way."""
    look_for(page, taken["filter"], "flaky", "order-pipeline", "")
    chips = "[...document.querySelectorAll('.inb-chip')]"
    chip = f"{chips}.find(c => c.textContent.includes('failed')).click()"
    failed = f"[...{ROWS}].every(row => row.cells[0].textContent.includes('failed'))"
    taken["filter"].append(seconds(page, chip, failed))
    taken["filter"].append(seconds(page, chip, f"!{REMARK}.includes('found')"))
    for number in (2, 3, 4, 5):
        turn = "document.querySelector('.inb-pages [aria-label=\"Next page\"]').click()"
        start = f"{25 * number - 24}-{25 * number} "
        taken["page"].append(seconds(page, turn, f"{REMARK}.startsWith('{start}')"))
    for column in (3, 1, 2):
        sort = f"document.querySelectorAll('.inb-table th button')[{column}].click()"
        way = f"document.querySelectorAll('.inb-table th')[{column}].ariaSort !== 'none'"
        taken["sort"].append(seconds(page, sort, way))
    for row in (3, 9):
        id_ = f"{ROWS}[{row}].cells[4].textContent"
        shown = "(document.querySelector('.inb-summary code')?.textContent ?? '')"
        taken["choose"].append(seconds(page, f"{ROWS}[{row}].click()", f"{shown} === {id_}"))


def report(name: str, values: list[float]) -> None:
    """Print the median and how it relates to its goal, as words and as JSON."""
    low, median, high = min(values), statistics.median(values), max(values)
    unit = "B" if "bytes" in name else "s"
    print(f"{name:>25}: {median:10,.3f} {unit}  ({low:,.3f} to {high:,.3f})")
    ratio = median / GOALS[name]
    benchmark = f"api: explore {COUNT:,}, {name} beside its limit of {GOALS[name]:,} {unit}"
    result = {"benchmark": benchmark, "ratio": round(ratio, 3), "goal": 1.0, "met": ratio <= 1}
    print(json.dumps(result), flush=True)


if __name__ == "__main__":
    serve() if sys.argv[1:] == ["serve"] else main()
