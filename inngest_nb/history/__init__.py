"""What a history says of its run: its times, activities, steps and events. Every view asks here."""

from inngest_nb.history._activities import (
    Activity,
    Attempt,
    activities_of,
    failed_activity,
    in_order,
    outcome_of,
)
from inngest_nb.history._happenings import Happening, happenings
from inngest_nb.history._payloads import (
    document_parts,
    payload_text,
    payload_texts,
    pretty,
    same_value,
)
from inngest_nb.history._steps import Step, Value, run_and_steps, steps_of
from inngest_nb.history._times import (
    END_STATUS,
    OPEN,
    Times,
    is_end,
    is_finished,
    moment,
    recorded,
    times_of,
)
from inngest_nb.history._tracks import WORST, Span, Track, tracks_of
from inngest_nb.history._waits import waiting_text

__all__ = [
    "END_STATUS",
    "OPEN",
    "WORST",
    "Activity",
    "Attempt",
    "Happening",
    "Span",
    "Step",
    "Times",
    "Track",
    "Value",
    "activities_of",
    "document_parts",
    "failed_activity",
    "happenings",
    "in_order",
    "is_end",
    "is_finished",
    "moment",
    "outcome_of",
    "payload_text",
    "payload_texts",
    "pretty",
    "recorded",
    "run_and_steps",
    "same_value",
    "steps_of",
    "times_of",
    "tracks_of",
    "waiting_text",
]
