"""The priors of a standard deviation under which an answer is looked at again."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

from partialpool.models.prior_set import Priors
from partialpool.models.priors import (
    DuMouchel,
    Exponential,
    Flat,
    HalfCauchy,
    HalfNormal,
    HalfT,
    Prior,
    ScalePrior,
    UniformShrinkage,
)

MOST_NAMED_SDS = 2
"""Of more sds the scales are not named one by one."""


def prior_menu(unit: float) -> tuple[ScalePrior, ...]:
    """Priors of a standard deviation between groups that people use, from vague to informative.

    Parameters
    ----------
    unit : float
        Their scale: about the largest value that the data make thinkable, such as the standard
        deviation of the groups' own estimates, of which tau is a part.
    """
    return (
        Flat(),
        HalfCauchy(unit),
        HalfT(4.0, unit),
        HalfNormal(unit),
        Exponential(rounded_unit(1.0 / unit)),
        UniformShrinkage(),
        DuMouchel(),
    )


def rounded_unit(value: float) -> float:
    """Two digits of a scale, so that the prior that is named is the one used."""
    if not (math.isfinite(value) and value > 0.0):
        return 1.0
    return float(f"{value:.2g}")


def menu_of(priors: Priors, units: Mapping[str, float]) -> list[tuple[str, Priors]]:
    """The menu for every sd of a model at once: in words, and the priors of the whole model.

    Where scales differ, they are named in the order of the sds.

    Parameters
    ----------
    priors : Priors
        Those of the fit, of which all but those of the sds between groups stay.
    units : mapping
        Scale of the priors of each sd, by its name such as ``"tau[county, floor]"``.
    """
    others = tuple(pair for pair in priors.named if pair[0] not in units)
    out = []
    for each in zip(*(prior_menu(unit) for unit in units.values()), strict=True):
        if len(set(map(str, each))) == 1:
            out.append((f"tau ~ {each[0]}", replace(priors, tau=each[0], named=others)))
            continue
        single: tuple[tuple[str, Prior], ...] = tuple(zip(units, each, strict=True))
        words = f"tau ~ {', '.join(map(str, each))}"
        if len(each) > MOST_NAMED_SDS:
            words = f"tau ~ {each[0].text_name}, a scale each"
        out.append((words, replace(priors, named=others + single)))
    return out
