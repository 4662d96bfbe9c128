"""Groups that do not fit the population they are taken from, and sizes that go with values."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from partialpool.design.labels import shown
from partialpool.models.population_text import AnyPopulation
from partialpool.notices import Notice
from partialpool.posterior.group_check import GroupCheck
from partialpool.words.formatting import number
from partialpool.words.population_shape import population_words

NAMED_GROUPS = 5
"""So many outlying groups are named, the farthest first."""
SIZES_LEVEL = 0.005
"""P-value from which on sizes are said to go with values: in 2 of 1,000 right worlds of
measurements, and in 60 of 60 where the value rises by 1.5 sds a doubling of the size
(tests/calibration/notices.json)."""


def population_notices(post: Any) -> Iterator[Notice]:
    """Yield notices of outlying groups, of a population that is not normal, and of sizes."""
    for check in post.group_checks():
        yield from outlying_groups(check)
        yield from not_normal(check)
        yield from sizes_and_values(check, counts=post.statistics.counts)


def outlying_groups(check: GroupCheck) -> Iterator[Notice]:
    """A warning that names the groups that lie apart from all the others."""
    far = np.flatnonzero(check.outlying)
    if not len(far):
        return
    far = far[np.argsort(-np.abs(np.nan_to_num(check.z[far])), kind="stable")]
    listed = ", ".join(
        f"{shown(check.labels[[j]].tolist())} ({_how_far(float(check.z[j]))})"
        for j in far[:NAMED_GROUPS].tolist()
    )
    more = f", and {len(far) - NAMED_GROUPS:,} more" if len(far) > NAMED_GROUPS else ""
    one = len(far) == 1
    what = "" if check.term == "Intercept" else f" in {check.term}"
    yield Notice(
        "outlying_groups",
        "warning",
        f"{'A group' if one else 'Groups'} of {check.factor} {'lies' if one else 'lie'} apart from "
        f"the others{what}: {listed}{more}. The model takes {'it' if one else 'them'} as of "
        f"{_the_same(check.population)}, so {'it is' if one else 'they are'} drawn toward the "
        f"others and {'makes' if one else 'make'} tau larger. Check {'its' if one else 'their'} "
        f"rows; if {'it is' if one else 'they are'} of another kind, tell it by a predictor or "
        f"leave {'it' if one else 'them'} out{_other_population(check)}.",
    )


def _the_same(population: AnyPopulation) -> str:
    """What an outlying group was taken to come from."""
    if population == "normal":
        return "the same normal population"
    return population_words(population).replace("a ", "the same ", 1)


def _other_population(check: GroupCheck) -> str:
    """The words for a population with groups that lie far out, where the model takes them."""
    if not check.has_choice:
        return ""
    return (
        '; or say that some groups lie far out: population="student" (--population student), or '
        '"contaminated", which tells how probably each does'
    )


def _how_far(z: float) -> str:
    if math.isnan(z):
        return "far"
    return f"{abs(z):.1f} sds {'above' if z > 0 else 'below'} what they predict"


def not_normal(check: GroupCheck) -> Iterator[Notice]:
    """Say that the groups' values have another shape, where no group in particular stands apart."""
    if not check.rejected or check.outlying.any() or check.shape is None:
        return
    p = check.smallest_p  # of the largest |z| too: a group that is far makes a tail heavy
    heavy = check.shape.skewed > p
    shape = "heavier tails than" if heavy else "a more skewed distribution than"
    way = ""
    if heavy and check.has_choice:
        way = ', and population="student" (--population student) has such tails'
    what = "Groups" if check.term == "Intercept" else f"Slopes of {check.term} of groups"
    yield Notice(
        "population_not_normal",
        "info",
        f"{what} of {check.factor} have {shape} a normal population would give them "
        f"(p = {p:.2g}): the intervals of the most extreme rest on that shape. A transformed "
        f"outcome, or a predictor that tells kinds of groups apart, may mend it{way}.",
    )


def sizes_and_values(check: GroupCheck, *, counts: bool) -> Iterator[Notice]:
    """A warning where large groups have other values than small ones."""
    slope = check.by_size
    if slope is None or slope.p > SIZES_LEVEL:
        return
    way = "higher" if slope.per_doubling > 0 else "lower"
    size = "trials or exposure" if counts else "rows"
    by = number(abs(slope.per_doubling), abs(slope.per_doubling))
    yield Notice(
        "sizes_and_values",
        "warning",
        f"Larger groups of {check.factor} have {way} values: {by} for twice the {size} "
        f"(p = {slope.p:.2g}). The model takes values as unrelated to sizes, and draws small "
        "groups toward a mean that large ones dominate: add the size as a predictor, such as a "
        f"column with the logarithm of the {size} of each group.",
    )
