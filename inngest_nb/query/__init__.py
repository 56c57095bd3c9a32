"""How views ask for workflows: paths, conditions and searches, which read nothing themselves."""

from inngest_nb.query._columns import COLUMNS, DURATION, NUMBER, TEXT, TIME, Row
from inngest_nb.query._conditions import Names
from inngest_nb.query._finding import has_words, having, typed_words, words_of
from inngest_nb.query._paths import PAYLOADS, Path
from inngest_nb.query._payloads import MISSING, Missing, value_of
from inngest_nb.query._search import By, Search, whole_number
from inngest_nb.query._times import (
    When,
    check_time,
    check_window,
    duration_in,
    span_of,
)
from inngest_nb.query._where import Where

__all__ = [
    "COLUMNS",
    "DURATION",
    "MISSING",
    "NUMBER",
    "PAYLOADS",
    "TEXT",
    "TIME",
    "By",
    "Missing",
    "Names",
    "Path",
    "Row",
    "Search",
    "When",
    "Where",
    "check_time",
    "check_window",
    "duration_in",
    "has_words",
    "having",
    "span_of",
    "typed_words",
    "value_of",
    "whole_number",
    "words_of",
]
