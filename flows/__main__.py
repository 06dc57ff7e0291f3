"""``python -m flows``: the ``sm-daily`` command."""

from flows.cli import main

main()
