"""Bundles: workflows in one file that can be sent to others, with what is private left out."""

from inngest_nb.bundles._bundle import Bundle, open_bundle, told_at
from inngest_nb.bundles._export import export
from inngest_nb.bundles._import import Imported, import_bundle
from inngest_nb.bundles._info import BundleInfo
from inngest_nb.bundles._opening import is_bundle

__all__ = [
    "Bundle",
    "BundleInfo",
    "Imported",
    "export",
    "import_bundle",
    "is_bundle",
    "open_bundle",
    "told_at",
]
