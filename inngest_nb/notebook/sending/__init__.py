"""A form that sends an event to a real Inngest server."""

from inngest_nb.notebook.sending._send import SendForm, send_form

__all__ = ["SendForm", "send_form"]
