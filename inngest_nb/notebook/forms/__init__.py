"""Forms that change one workflow: save, delete, signal."""

from inngest_nb.notebook.forms._delete import DeleteForm, delete_form
from inngest_nb.notebook.forms._save import SaveForm, save_form
from inngest_nb.notebook.forms._signal import SignalForm, signal_form

__all__ = ["DeleteForm", "SaveForm", "SignalForm", "delete_form", "save_form", "signal_form"]
