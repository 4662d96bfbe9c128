"""Crossed factors of which one's labels seem to start anew in each group of the other."""

from __future__ import annotations

import math
from collections.abc import Iterator

from partialpool.models.mixed import sd_name
from partialpool.notices import Notice
from partialpool.posterior import Estimated, MixedPosterior
from partialpool.records.design_notices import look_started_anew
from partialpool.words.near_zero import near_zero

GAPS, NO_GAPS = 0.05, 0.2
"""If labels start anew, what rows of one label share is an average of as many unrelated groups as
there are outer ones. The labels are asked about if their sd may be as small as that average would
make it: if this quantile of its posterior is. Where some outer groups have fewer labels, always the
first so many, that is a sign in itself; where all have all, the sd must say more. See
tests/calibration/notices.py for how often crossed and nested factors are asked about."""


def labels_may_start_anew(post: MixedPosterior | Estimated) -> Iterator[Notice]:
    """A warning, with the formula that takes labels as started anew."""
    blocks = post.statistics.blocks
    for crossing in post.statistics.crossings:
        first, second = blocks[crossing.first], blocks[crossing.second]
        if len(crossing.i) <= max(len(first.labels), len(second.labels)):
            continue  # nested, or the same groups
        if any(":" in b.factor or b.effects[0] != "Intercept" for b in (first, second)):
            continue
        pair = look_started_anew(first, second, crossing)
        if pair is None:
            continue
        outer, inner = pair
        average = math.sqrt(post.given.variance_of_row * len(inner.labels) / len(crossing.i))
        complete = len(crossing.i) == len(first.labels) * len(second.labels)
        if _sd_may_be(post, inner.factor, NO_GAPS if complete else GAPS) > average:
            continue
        if complete and near_zero(post)[sd_name(outer.factor, "Intercept")]:
            continue  # where nothing differs by group, nothing tells of labels either
        yield Notice(
            "labels_may_start_anew",
            "warning",
            f"The labels of {inner.factor} count anew in each {outer.factor}, and rows with the "
            f"same label in different groups of {outer.factor} share nothing to speak of, but the "
            f"formula takes them as one group. If {inner.factor} 1 of one {outer.factor} is not "
            f"{inner.factor} 1 of another, write (1 | {outer.factor}/{inner.factor}).",
        )


def _sd_may_be(post: MixedPosterior | Estimated, factor: str, quantile: float) -> float:
    """A quantile of the sd between groups of a factor; the estimate, where there is only one."""
    name = sd_name(factor, "Intercept")
    if isinstance(post, Estimated):
        return float(post.spreads[name])
    return float(post.taus[name].quantile(quantile))
