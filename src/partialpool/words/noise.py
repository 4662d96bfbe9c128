"""Groups that differ in noise: whether they do, and what is known of each group's own sigma."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from partialpool.formula.tree import Name
from partialpool.notices import Notice
from partialpool.posterior import HeteroscedasticPosterior, OneWayPosterior
from partialpool.posterior.noise_check import noise_check
from partialpool.words.formatting import number
from partialpool.words.near_zero import LIKELIHOOD_RATIO, likelihood_at_zero

LEVEL = 0.005
"""P-value from which on groups are said to differ in noise: where they do not in one of 200 fits,
as the p-value is exact (tests/calibration/notices.json)."""
FEW_KNOWN = 5
"""With fewer groups of two rows or more, how much they differ in noise rests on its prior."""


def noise_by_group_notice(post: OneWayPosterior) -> Iterator[Notice]:
    """A warning under one sigma where the data say that groups differ in noise."""
    check = noise_check(post.statistics, LEVEL)
    if check is None:
        return
    factor = Name(post.statistics.factor)
    trend = ""
    if check.trend < LEVEL:
        trend = (
            " Groups with higher values are noisier or calmer: the logarithm or square root of the "
            "outcome may mend that as well."
        )
    low, high = np.exp([-check.sd_log_sigma, check.sd_log_sigma])
    yield Notice(
        "noise_by_group",
        "warning",
        f"Groups of {post.statistics.factor} differ in noise (p = {check.p:.2g}): two thirds of "
        f"them have {low:.2g} to {high:.2g} times the usual sigma. One sigma makes intervals of "
        f"noisy groups too short and of calm ones too long: add ; sigma ~ 1 + (1 | {factor}) to "
        f"the formula.{trend}",
    )


def noise_notices(post: HeteroscedasticPosterior) -> Iterator[Notice]:
    """Notices on each group's own sigma."""
    s = post.statistics
    name = f"sd_log_sigma[{s.factor}]"
    single, known = int((s.n == 1).sum()), int((s.n > 1).sum())
    if known < FEW_KNOWN:
        yield Notice(
            "few_groups_with_noise",
            "warning",
            f"Only {known} groups have two rows or more: how much groups differ in noise rests on "
            f"its prior, {name} ~ {post.priors.sd_log_sigma}.",
        )
    if single:
        verb = "group has" if single == 1 else "groups have"
        yield Notice(
            "single_row_groups",
            "info",
            f"{single:,} of {s.n_groups:,} {verb} one row: of their noise only the other groups "
            "tell, and they are shrunk the most.",
        )
    of = post.sd_log_sigma
    share = likelihood_at_zero(post.lattice, 2, post.priors.sd_log_sigma, 1.0)
    if share > LIKELIHOOD_RATIO and math.isfinite(share):
        upper = number(float(of.quantile(0.95)), float(of.median))
        yield Notice(
            "noise_may_be_alike",
            "info",
            f"The data cannot tell {name} from 0: it is below {upper} with probability 95%. All "
            "groups may be equally noisy; intervals take this into account.",
        )
