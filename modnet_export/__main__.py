"""``python -m modnet_export``: the command line."""

from modnet_export.cli import main

main()
