"""Counts and proportions above their posterior: fitting, words, notices, advice, comparison.

Importing this room teaches `display`, `findings`, `advice` and `comparison` about counts.
"""

from partialpool.counting import compare, words
from partialpool.counting.solve import solve_count_statistics, solve_counts

__all__ = ["compare", "solve_count_statistics", "solve_counts", "words"]
