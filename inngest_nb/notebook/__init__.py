"""What a person sees and touches in a notebook; each room within has a door of its own."""

import importlib
import typing

import inngest_nb._renamed as _renamed

__all__: list[str] = []

# All of these were to be had here in the preview.
_OLD_NAMES = {
    "inngest_nb": (
        "activity_frame delete_form frame history_frame plot_activity plot_durations plot_status "
        "resume run save_form signal_form start"
    ),
    "inngest_nb.frames": "WorkflowAccessor",
    "inngest_nb.notebook.compare": "Comparison",
    "inngest_nb.notebook.live": "LiveRun",
    "inngest_nb.notebook.magics": "WorkflowMagics",
    "inngest_nb.notebook.replay": "Replay",
    "inngest_nb.notebook.timeline": "Timeline",
}
_HOME_OF = {name: home for home, names in _OLD_NAMES.items() for name in names.split()}
_ROOMS = ("compare", "explore", "replay", "timeline")  # which were functions


def __getattr__(name: str) -> typing.Any:
    if name in _ROOMS:
        return importlib.import_module(f"{__name__}.{name}")
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    home = _HOME_OF[name]
    value = getattr(importlib.import_module(home), name)
    # Last: an `import` asks twice, and what is loaded in between makes Python warn twice, too.
    _renamed.warn_renamed(f"{__name__}.{name}", f"{home}.{name}")
    return value
