"""Checks the environment of a notebook: versions, kernel, event loop and server."""

from inngest_nb.checkup._doctor import doctor, doctor_for_kernels
from inngest_nb.checkup._findings import Checkup, Finding, Level

__all__ = ["Checkup", "Finding", "Level", "doctor", "doctor_for_kernels"]
