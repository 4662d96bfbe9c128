"""The families of counts, and what a formula or other packages call them."""

from __future__ import annotations

from typing import Literal

from partialpool.errors import ArgumentError, FormulaError, did_you_mean
from partialpool.formula.tree import Formula

CountFamily = Literal["binomial", "poisson"]
"""How events are distributed."""

COUNT_FAMILIES: tuple[CountFamily, ...] = ("binomial", "poisson")
PROPORTIONS = ("binomial",)
FAMILY_WORDS = {
    "bernoulli": "binomial",
    "logistic": "binomial",
    "normal": "gaussian",
}
"""What other packages call the families."""
OF_GROUPS: dict[str, tuple[CountFamily, str]] = {
    "beta_binomial": ("binomial", "beta"),
    "betabinomial": ("binomial", "beta"),
    "beta-binomial": ("binomial", "beta"),
    "gamma_poisson": ("poisson", "gamma"),
}
"""Words of earlier versions for a family and the population of its groups."""
NEGATIVE_BINOMIAL = (
    "nb", "nb1", "nb2", "nbinom", "nbinom1", "nbinom2", "negbin", "negbinomial", "negbinomial2",
    "negative_binomial", "negativebinomial", "neg_binomial",
)  # fmt: skip
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
    if family == "gaussian":
        if implied:
            raise FormulaError(
                f'{implied}() says that the outcome counts events, and family="gaussian" that it '
                f'is measured; leave the family out, or use "{IMPLIED[implied]}"',
                formula.text,
                additions[implied].at,
            )
        return None
    word = str(family).lower().replace(" ", "_")
    if word in OF_GROUPS:
        rows, population = OF_GROUPS[word]
        raise ArgumentError(
            f'family="{family}" was the distribution of the groups, which population names now: '
            f'write family="{rows}", population="{population}" (--family {rows} --population '
            f"{population})"
        )
    family = FAMILY_WORDS.get(word, family)
    if family == "gaussian":
        return count_family(formula, "gaussian")
    for known in COUNT_FAMILIES:
        if family == known:
            return known
    if word in NEGATIVE_BINOMIAL:
        raise ArgumentError(
            f'family="{family}": negative binomial rows are not fitted here; use family="poisson" '
            "with an effect of every row, (1 | row), which takes up what they vary by more"
        )
    families = ("gaussian", *COUNT_FAMILIES)
    raise ArgumentError(
        f'there is no family "{family}"; {did_you_mean(str(family), families)}'
        f"the families are {', '.join(families)}"
    )
