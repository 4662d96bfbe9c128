"""What is said otherwise of counts with predictors than of measurements."""

from __future__ import annotations

from partialpool.display import prior_line
from partialpool.posterior import GeneralizedPosterior
from partialpool.regression.words import prior_line_mixed


@prior_line.register
def _prior_line(post: GeneralizedPosterior) -> str:
    scale = "log-odds" if post.statistics.proportion else "log rates"
    return f"{prior_line_mixed(post)} (of {scale})"
