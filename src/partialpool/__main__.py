"""`python -m partialpool`: the command."""

from partialpool.cli import main

main()
