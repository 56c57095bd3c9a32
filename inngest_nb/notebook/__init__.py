"""What a person sees in a notebook: forms that mend state."""

from inngest_nb.notebook._delete_form import delete_form
from inngest_nb.notebook._save_form import save_form

__all__ = ["delete_form", "save_form"]
