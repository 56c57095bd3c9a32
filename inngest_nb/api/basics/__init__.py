"""What the calls are made of: values, checks, settings, one exchange, and the server's quirks."""

from inngest_nb.api.basics._settings import SIGNING_FORM, NamedKey, Settings

__all__ = ["SIGNING_FORM", "NamedKey", "Settings"]
