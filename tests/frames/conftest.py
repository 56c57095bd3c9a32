"""Which tests of frames can be tried here."""

from importlib.util import find_spec

collect_ignore = [] if find_spec("pyarrow") else ["test_with_arrow.py"]
