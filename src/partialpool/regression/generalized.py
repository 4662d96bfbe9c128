"""What is said otherwise of counts with predictors than of measurements."""

from __future__ import annotations

from collections.abc import Iterator

from partialpool.display import prior_line
from partialpool.findings import findings
from partialpool.models.by_several import BySeveral
from partialpool.notices import Notice
from partialpool.posterior import GeneralizedPosterior
from partialpool.regression.findings import findings_mixed
from partialpool.regression.words import prior_line_mixed

MATTERS = 0.01
"""An error of Laplace's approximation, in posterior sds, from which on it is told."""


@prior_line.register
def _prior_line(post: GeneralizedPosterior) -> str:
    scale = "log-odds" if post.statistics.proportion else "log rates"
    return f"{prior_line_mixed(post)} (of {scale})"


@findings.register
def _findings(post: GeneralizedPosterior) -> Iterator[Notice]:
    yield from findings_mixed(post)
    yield from _laplace(post)


def _laplace(post: GeneralizedPosterior) -> Iterator[Notice]:
    """Say where Laplace's approximation matters, and by how much."""
    if isinstance(post.model.inner, BySeveral) and post.inner_error > MATTERS:
        largest = post.model.system.levels[0].terms[0]
        factor = post.statistics.blocks[largest].factor
        yield Notice(
            "laplace_error",
            "info",
            f"The effects of factors other than {factor} are integrated by Laplace's "
            "approximation; importance sampling says that summaries are off by up to "
            f"{post.inner_error:.2g} posterior standard deviations.",
        )
