"""The families of counts, and what a formula or other packages call them."""

from __future__ import annotations

from typing import Literal

from partialpool.errors import ArgumentError, FormulaError, did_you_mean
from partialpool.formula.tree import Formula

CountFamily = Literal["binomial", "poisson", "negative_binomial", "beta_binomial"]
"""How events are distributed."""

COUNT_FAMILIES: tuple[CountFamily, ...] = (
    "binomial",
    "poisson",
    "negative_binomial",
    "beta_binomial",
)
PROPORTIONS = ("binomial", "beta_binomial")
WITHOUT_DISPERSION: dict[str, CountFamily] = {
    "negative_binomial": "poisson", "beta_binomial": "binomial",
}  # fmt: skip
"""The family that a family with a dispersion, by which rows vary more, is without it."""
FAMILY_WORDS = {
    "bernoulli": "binomial",
    "logistic": "binomial",
    "normal": "gaussian",
    "betabinomial": "beta_binomial",
    "beta-binomial": "beta_binomial",
    "beta_binomial2": "beta_binomial",
    **dict.fromkeys(
        ("nb", "nb2", "nbinom", "nbinom2", "negbin", "negbinomial", "negbinomial2",
         "negativebinomial", "negative-binomial", "neg_binomial", "neg_binomial_2"),
        "negative_binomial",
    ),
}  # fmt: skip
"""What other packages call the families."""
OF_GROUPS: dict[str, tuple[CountFamily, str]] = {"gamma_poisson": ("poisson", "gamma")}
"""Words of earlier versions for a family and the population of its groups."""
EARLIER_STATISTICS: dict[str, tuple[CountFamily, str]] = {
    **OF_GROUPS, "beta_binomial": ("binomial", "beta"),
}  # fmt: skip
"""What statistics of one factor that earlier versions kept may name; rows that vary more have none,
as they are not added up by group."""
LINEAR_VARIANCE = ("nb1", "nbinom1", "negbinomial1")
"""Negative binomial rows whose variance is linear in the mean."""
NOT_FITTED = {
    **dict.fromkeys(("student", "t", "student_t"), 'groups may come from population="student"'),
    **dict.fromkeys(("gamma", "lognormal", "exponential", "weibull", "inverse_gaussian"),
                    "positive measurements are often fitted as log(y) ~ ..."),
    "quasipoisson": 'family="negative_binomial" has rows that vary more',
    "quasibinomial": 'family="beta_binomial" has rows that vary more',
    "beta": "shares of counts are y | trials(n), other shares are fitted as measurements",
    **dict.fromkeys(("cumulative", "ordinal", "categorical", "multinomial"),
                    'one category against the others is I(y == 2) ~ ..., family="binomial"'),
}  # fmt: skip
"""Families of other packages, and what comes near."""
IMPLIED: dict[str, CountFamily] = {"trials": "binomial", "exposure": "poisson"}
"""The family that an addition stands for when none is named."""


def count_family(formula: Formula, family: str | None) -> CountFamily | None:
    """Which family of counts is meant; None for measurements.

    Raises
    ------
    ArgumentError
        If the family is not known.
    FormulaError
        If the family is of measurements and the formula is of counts.
    """
    additions = {a.kind: a for a in formula.additions}
    implied = next((k for k in IMPLIED if k in additions), None)
    if family is None:
        return IMPLIED[implied] if implied else None
    if family in ("gaussian", "gaussian()"):
        if implied:
            raise FormulaError(
                f'{implied}() says that the outcome counts events, and family="gaussian" that it '
                f'is measured; leave the family out, or use "{IMPLIED[implied]}"',
                formula.text,
                additions[implied].at,
            )
        return None
    word = str(family).lower().removesuffix("()").replace(" ", "_")
    if word in OF_GROUPS:
        rows, population = OF_GROUPS[word]
        raise ArgumentError(
            f'family="{family}" was the distribution of the groups, which population names now: '
            f'write family="{rows}", population="{population}" (--family {rows} --population '
            f"{population})"
        )
    family = FAMILY_WORDS.get(word, word if word in (*COUNT_FAMILIES, "gaussian") else family)
    if family == "gaussian":
        return count_family(formula, "gaussian")
    for known in COUNT_FAMILIES:
        if family == known:
            return known
    if word in LINEAR_VARIANCE:
        raise ArgumentError(
            f'family="{family}", with a variance linear in the mean m, is not fitted here; '
            'family="negative_binomial" has the variance m + (dispersion m)^2'
        )
    if word.startswith(("zero_inflated", "hurdle", "truncated", "zip", "zinb")):
        raise ArgumentError(
            f'family="{family}": zeros of a reason of their own are not fitted here (glmmTMB and '
            'brms do); family="negative_binomial" has more zeros than poisson'
        )
    families = ("gaussian", *COUNT_FAMILIES)
    allowed = f"the families are {', '.join(families)}"
    if word in NOT_FITTED:
        raise ArgumentError(f'family="{family}" is not fitted here; {NOT_FITTED[word]}; {allowed}')
    suggested = did_you_mean(str(family), families)
    raise ArgumentError(f'there is no family "{family}"; {suggested}{allowed}')
