"""`python -m inngest_nb` is `inngest-nb`."""

from inngest_nb.cli import main

main(prog_name="inngest-nb")
