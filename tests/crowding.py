"""Which labels of a timeline's axis a person sees, and which of them run into something."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from playwright.sync_api import Locator

_LEAST_GAP = 4  # pixels
_SHOWN = """node => [...node.querySelectorAll('thead .inb-bars text, thead th:last-child')]
    .map(label => [label.textContent.trim(), label.getBoundingClientRect()])
    .filter(([_, box]) => box.width > 0)
    .map(([text, box]) => [text, box.left, box.right])"""


def shown_ticks(chart: Locator) -> list[str]:
    """Return the labels that are seen."""
    return [text for text, _, _ in _boxes(chart) if text != "Outcome"]


def crowded_ticks(chart: Locator) -> list[tuple[str, str]]:
    """Return neighbours that nearly touch: two labels, or the last one and the next heading."""
    return [
        (one, other)
        for (one, _, right), (other, left, _) in pairwise(_boxes(chart))
        if left - right < _LEAST_GAP
    ]


def _boxes(chart: Locator) -> list[Any]:
    found: list[Any] = chart.evaluate(_SHOWN)
    return found
