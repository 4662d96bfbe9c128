"""Measures of effect: functions of arrays, one value a study, that give effect and variance.

`partialpool.effect_size` takes the arrays out of data and checks them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy import special

from partialpool._typing import Bools, Floats
from partialpool.errors import ArgumentError, did_you_mean

AddTo = Literal["only_zero", "all", "none"]
DoubleZero = Literal["keep", "missing"]
Effect = tuple[Floats, Floats]
"""The effects and their sampling variances, one a study."""


def log_odds_ratio(events1: Floats, others1: Floats, events2: Floats, others2: Floats) -> Effect:
    """``log(a d / (b c))``, variance ``1/a + 1/b + 1/c + 1/d``.

    Source: Woolf (1955), doi:10.1111/j.1469-1809.1955.tb01348.x.
    """
    effect = np.log(events1) - np.log(others1) - np.log(events2) + np.log(others2)
    return effect, 1 / events1 + 1 / others1 + 1 / events2 + 1 / others2


def log_risk_ratio(events1: Floats, others1: Floats, events2: Floats, others2: Floats) -> Effect:
    """``log(p1 / p2)``, variance ``1/a - 1/n1 + 1/c - 1/n2``.

    Source: Katz, Baptista, Azen and Pike (1978), doi:10.2307/2530610.
    """
    n1, n2 = events1 + others1, events2 + others2
    effect = np.log(events1) - np.log(n1) - np.log(events2) + np.log(n2)
    return effect, 1 / events1 - 1 / n1 + 1 / events2 - 1 / n2


def risk_difference(events1: Floats, others1: Floats, events2: Floats, others2: Floats) -> Effect:
    """``p1 - p2``, variance ``p1 (1 - p1) / n1 + p2 (1 - p2) / n2``.

    Source: Fleiss and Berlin (2009), in The Handbook of Research Synthesis and Meta-Analysis,
    2nd edition, chapter 13.
    """
    n1, n2 = events1 + others1, events2 + others2
    variance = events1 * others1 / n1**3 + events2 * others2 / n2**3
    return events1 / n1 - events2 / n2, variance


def mean_difference(
    mean1: Floats, sd1: Floats, n1: Floats, mean2: Floats, sd2: Floats, n2: Floats
) -> Effect:
    """``mean1 - mean2``, variance ``sd1^2 / n1 + sd2^2 / n2``.

    Source: Borenstein (2009), in The Handbook of Research Synthesis and Meta-Analysis, 2nd edition,
    chapter 12.
    """
    return mean1 - mean2, sd1**2 / n1 + sd2**2 / n2


def standardised_mean_difference(
    mean1: Floats, sd1: Floats, n1: Floats, mean2: Floats, sd2: Floats, n2: Floats, *,
    correct: bool = True,
) -> Effect:  # fmt: skip
    """``g = J(m) (mean1 - mean2) / s``, variance ``1/n1 + 1/n2 + g^2 / (2 (n1 + n2))``.

    s pools the sds of both arms with m = n1 + n2 - 2 degrees of freedom, and
    ``J(m) = Gamma(m/2) / (sqrt(m/2) Gamma((m-1)/2))`` takes away the small-sample bias (without
    `correct` it is 1).

    Source: Hedges (1981), doi:10.3102/10769986006002107; the variance Hedges (1982),
    doi:10.1037/0033-2909.92.2.490, equation 8.
    """
    m = n1 + n2 - 2
    pooled = np.sqrt(((n1 - 1) * sd1**2 + (n2 - 1) * sd2**2) / m)
    g = (mean1 - mean2) / pooled
    if correct:
        g = g * np.exp(special.gammaln(m / 2) - 0.5 * np.log(m / 2) - special.gammaln((m - 1) / 2))
    return g, 1 / n1 + 1 / n2 + g**2 / (2 * (n1 + n2))


def log_ratio_of_means(
    mean1: Floats, sd1: Floats, n1: Floats, mean2: Floats, sd2: Floats, n2: Floats, *,
    correct: bool = True,
) -> Effect:  # fmt: skip
    """``log(mean1 / mean2) + (c1 - c2) / 2``, variance ``c1 + c2``, ``c = sd^2 / (n mean^2)``.

    The second term takes away the bias of logarithms of means (without `correct` it is 0).

    Source: Hedges, Gurevitch and Curtis (1999), doi:10.2307/177062; the correction Lajeunesse
    (2015), doi:10.1890/14-2402.1, equation 8.
    """
    c1, c2 = sd1**2 / (n1 * mean1**2), sd2**2 / (n2 * mean2**2)
    bias = (c1 - c2) / 2 if correct else 0.0
    return np.log(mean1) - np.log(mean2) + bias, c1 + c2


def log_rate_ratio(events1: Floats, time1: Floats, events2: Floats, time2: Floats) -> Effect:
    """``log((x1 / t1) / (x2 / t2))``, variance ``1/x1 + 1/x2``.

    Source: Rothman, Greenland and Lash (2008), Modern Epidemiology, 3rd edition, chapter 14.
    """
    effect = np.log(events1) - np.log(time1) - np.log(events2) + np.log(time2)
    return effect, 1 / events1 + 1 / events2


def fisher_z(r: Floats, n: Floats) -> Effect:
    """``atanh(r)``, variance ``1 / (n - 3)``.

    Source: Fisher (1921), Metron 1, 3-32.
    """
    return np.arctanh(r), 1 / (n - 3)


def logit_proportion(events: Floats, others: Floats) -> Effect:
    """``log(p / (1 - p))``, variance ``1 / x + 1 / (n - x)``.

    Source: Lipsey and Wilson (2001), Practical Meta-Analysis, chapter 3.
    """
    return np.log(events) - np.log(others), 1 / events + 1 / others


def arcsine_proportion(events: Floats, others: Floats) -> Effect:
    """``arcsin(sqrt(p))``, variance ``1 / (4 n)``.

    Source: Freeman and Tukey (1950), doi:10.1214/aoms/1177729756; Rucker, Schwarzer, Carpenter
    and Olkin (2009), doi:10.1002/sim.3511.
    """
    n = events + others
    return np.arcsin(np.sqrt(events / n)), 1 / (4 * n)


@dataclass(frozen=True, slots=True)
class Measure:
    """A measure of effect: what it is called, the columns it takes, and its formula.

    Parameters
    ----------
    code, name, title : str
        As metafor's escalc calls it; in words, for arguments; and for people.
    columns : tuple of str
        Arguments that name columns, in the order of those of `formula`.
    formula : callable
    cells : tuple of tuple of str
        Arguments that zero cells are looked for in: both cells of each arm.
    add : float
        What is added to zero cells where nothing is said.
    corrected : bool
        Whether the formula has a correction of small samples.
    exponential : bool
        Whether exp of the effect is a ratio.
    """

    code: str
    name: str
    title: str
    columns: tuple[str, ...]
    formula: Callable[..., Effect]
    cells: tuple[str, ...] = ()
    add: float = 0.5
    corrected: bool = False
    exponential: bool = False


TWO_BY_TWO = ("events1", "n1", "events2", "n2")
TWO_MEANS = ("mean1", "sd1", "n1", "mean2", "sd2", "n2")
FOUR_CELLS = ("events1", "non_events1", "events2", "non_events2")
SHARE = ("events", "non_events")
MEASURES = (
    Measure("OR", "odds_ratio", "log odds ratio", TWO_BY_TWO, log_odds_ratio, FOUR_CELLS,
            exponential=True),
    Measure("RR", "risk_ratio", "log risk ratio", TWO_BY_TWO, log_risk_ratio, FOUR_CELLS,
            exponential=True),
    Measure("RD", "risk_difference", "risk difference", TWO_BY_TWO, risk_difference, FOUR_CELLS),
    Measure("SMD", "standardised_mean_difference", "standardised mean difference (Hedges' g)",
            TWO_MEANS, standardised_mean_difference, corrected=True),
    Measure("MD", "mean_difference", "mean difference", TWO_MEANS, mean_difference),
    Measure("ROM", "ratio_of_means", "log ratio of means", TWO_MEANS, log_ratio_of_means,
            corrected=True, exponential=True),
    Measure("IRR", "rate_ratio", "log rate ratio", ("events1", "time1", "events2", "time2"),
            log_rate_ratio, ("events1", "events2"), exponential=True),
    Measure("ZCOR", "fisher_z", "Fisher's z", ("r", "n"), fisher_z),
    Measure("PLO", "logit_proportion", "logit of a proportion", ("events", "n"),
            logit_proportion, SHARE),
    Measure("PAS", "arcsine_proportion", "arcsine of the root of a proportion", ("events", "n"),
            arcsine_proportion, SHARE, add=0.0),
)  # fmt: skip
"""All measures, by the codes of metafor's escalc."""


def measure_of(name: str) -> Measure:
    """The measure of a code or name, in capitals or not.

    Raises
    ------
    ArgumentError
        If there is none.
    """
    known = {key.lower(): m for m in MEASURES for key in (m.code, m.name)}
    if isinstance(name, str) and name.lower() in known:
        return known[name.lower()]
    hint = did_you_mean(str(name).lower(), known)
    listed = ", ".join(f"{m.code} ({m.name})" for m in MEASURES)
    raise ArgumentError(f'there is no measure "{name}"; {hint}there are {listed}')


# zero cells ---------------------------------------------------------------------------------------


def double_zeros(measure: Measure, cells: Mapping[str, Floats]) -> Bools:
    """Which studies have no events in either arm, or nothing but events in both."""
    if len(measure.cells) == 4:
        a, b, c, d = (cells[k] == 0 for k in measure.cells)
        return np.asarray((a & c) | (b & d))
    if measure.cells == ("events1", "events2"):
        return np.asarray((cells["events1"] == 0) & (cells["events2"] == 0))
    return np.zeros(len(next(iter(cells.values()))), dtype=bool)


def with_zeros_filled(
    measure: Measure, columns: dict[str, Floats], add: float, to: AddTo, double_zero: DoubleZero
) -> tuple[dict[str, Floats], Bools]:
    """The columns with a constant added to cells, and the studies to which it was added."""
    if not measure.cells:
        return columns, np.zeros(len(next(iter(columns.values()))), dtype=bool)
    cells = {name: columns[name] for name in measure.cells}
    zero = np.any([values == 0 for values in cells.values()], axis=0)
    chosen = {"only_zero": zero, "all": np.ones_like(zero), "none": np.zeros_like(zero)}[to]
    chosen = chosen & (add > 0)
    out = {name: np.where(chosen, values + add, values) for name, values in cells.items()}
    if double_zero == "missing":
        gone = double_zeros(measure, cells)
        out = {name: np.where(gone, np.nan, values) for name, values in out.items()}
        chosen = chosen & ~gone
    return {**columns, **out}, chosen
