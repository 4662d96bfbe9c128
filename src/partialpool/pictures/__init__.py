"""Charts: one function each, an `altair.Chart` out, for notebook, command, report and app alike."""

from partialpool.pictures.save import save
from partialpool.pictures.shrinkage import shrinkage

__all__ = ["save", "shrinkage"]
