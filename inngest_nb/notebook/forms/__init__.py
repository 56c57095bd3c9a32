"""Forms that change one workflow: save, delete, signal."""

from inngest_nb.notebook.forms._delete import DeleteForm, delete_form
from inngest_nb.notebook.forms._form import Form, complaint
from inngest_nb.notebook.forms._payload_field import PayloadField
from inngest_nb.notebook.forms._save import SaveForm, save_form
from inngest_nb.notebook.forms._signal import SignalForm, signal_form

__all__ = [
    "DeleteForm",
    "Form",
    "PayloadField",
    "SaveForm",
    "SignalForm",
    "complaint",
    "delete_form",
    "save_form",
    "signal_form",
]
