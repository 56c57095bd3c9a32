"""Checks the environment of a notebook: versions, kernel, event loop and server."""

from inngest_nb.environment._doctor import doctor, doctor_for_kernels

__all__ = ["doctor", "doctor_for_kernels"]
