"""What is said otherwise of counts with predictors than of measurements."""

from __future__ import annotations

from collections.abc import Iterator

from partialpool.display import prior_line
from partialpool.findings import findings
from partialpool.notices import Notice
from partialpool.posterior import GeneralizedPosterior
from partialpool.regression.findings import findings_mixed
from partialpool.regression.words import prior_line_mixed

@prior_line.register
def _prior_line(post: GeneralizedPosterior) -> str:
    scale = "log-odds" if post.statistics.proportion else "log rates"
    return f"{prior_line_mixed(post)} (of {scale})"


@findings.register
def _findings(post: GeneralizedPosterior) -> Iterator[Notice]:
    yield from findings_mixed(post)
