"""What a history says of its run: its times, activities, steps and events. Every view asks here."""

from inngest_nb.history._activities import (
    Activity,
    Attempt,
    activities_of,
    in_order,
    outcome_of,
)
from inngest_nb.history._payloads import (
    document_parts,
    event_payloads,
    payload_text,
    payload_texts,
    pretty,
    same_value,
)
from inngest_nb.history._steps import (
    Step,
    Value,
    failed_activity,
    last_error,
    run_and_steps,
    steps_of,
)
from inngest_nb.history._stored_payloads import event_texts, state_texts
from inngest_nb.history._summary import (
    Summary,
    last_activity,
    summary_of,
    workflow_in_id,
    workflow_of,
)
from inngest_nb.history._times import (
    END_STATUS,
    ON_INNGEST,
    OPEN,
    OPEN_STEPS,
    Times,
    is_end,
    is_finished,
    moment,
    recorded,
    times_of,
    went_back,
)
from inngest_nb.history._waits import Waiting, signals_text, waiting_for, waiting_text

__all__ = [
    "END_STATUS",
    "ON_INNGEST",
    "OPEN",
    "OPEN_STEPS",
    "Activity",
    "Attempt",
    "Step",
    "Summary",
    "Times",
    "Value",
    "Waiting",
    "activities_of",
    "document_parts",
    "event_payloads",
    "event_texts",
    "failed_activity",
    "in_order",
    "is_end",
    "is_finished",
    "last_activity",
    "last_error",
    "moment",
    "outcome_of",
    "payload_text",
    "payload_texts",
    "pretty",
    "recorded",
    "run_and_steps",
    "same_value",
    "signals_text",
    "state_texts",
    "steps_of",
    "summary_of",
    "times_of",
    "waiting_for",
    "waiting_text",
    "went_back",
    "workflow_in_id",
    "workflow_of",
]
