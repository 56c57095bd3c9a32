"""What a workflow's calls are as steps of Inngest: names, answers, and what is reported."""

from inngest_nb.worker.steps._drive import CANCELED, Served, drive
from inngest_nb.worker.steps._exact import sealed, text_of, unsealed
from inngest_nb.worker.steps._look import SIGNAL

__all__ = ["CANCELED", "SIGNAL", "Served", "drive", "sealed", "text_of", "unsealed"]
