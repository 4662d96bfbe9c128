"""How rows become columns: labels, coding, expressions, and what a column must hold.

A design is learned from rows once, frozen, and used again for new rows.
"""

from partialpool.design.design import Design

__all__ = ["Design"]
