"""The command `partialpool`: parses, calls the library, renders; no arithmetic."""

from partialpool.cli.main import main

__all__ = ["main"]
