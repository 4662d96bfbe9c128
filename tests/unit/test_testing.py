"""The checks of priors and links pass what is right and name what is wrong."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest

import partialpool as pp
from partialpool.kernels.families import LOG, LOGIT, Log, Logit
from partialpool.models.prior_text import KINDS
from partialpool.models.priors import HalfCauchy, HalfNormal, ScalePrior
from partialpool.testing import CheckError, check_link, check_prior

EXAMPLES = [
    pp.Flat(),
    pp.Jeffreys(),
    pp.HalfNormal(2.0),
    pp.HalfCauchy(1.5),
    pp.HalfT(0.5, 1.0),
    pp.Exponential(0.7),
    pp.Uniform(0, 5),
    pp.Uniform(1, 5),
    pp.LogNormal(0.3, 0.8),
    pp.InverseGammaSq(0.001, 0.001),
    pp.UniformShrinkage(),
    pp.DuMouchel(),
]


@pytest.mark.parametrize("prior", EXAMPLES, ids=str)
def test_every_prior_of_the_menu_passes(prior):
    assert all(check.holds for check in check_prior(prior, worlds=60))


def test_no_prior_of_the_menu_is_left_out():
    of_scales = {kind for kind in KINDS.values() if issubclass(kind, ScalePrior)}
    assert {type(prior) for prior in EXAMPLES} == of_scales


class Unnormalised(HalfNormal):
    def log_density(self, x, reference):
        return super().log_density(x, reference) + np.log(1.1)


class TailTooLight(HalfCauchy):
    tail: ClassVar[float] = 3.0


class ZeroAtZero(HalfNormal):
    @property
    def zero(self):
        return 1.0


@dataclass(frozen=True, slots=True)
class KeepsNoUnits(ScalePrior):
    """An exponential of rate 1, which says that it keeps its shape in other units."""

    degree: ClassVar[float | None] = -1.0

    def log_density(self, x, reference):
        return -x


@pytest.mark.parametrize(
    ("prior", "sentence"),
    [
        (Unnormalised(1.0), "integral of the density: 1.1, expected 1"),
        (TailTooLight(1.0), "power of 1/x in the tail: 2, expected 3"),
        (ZeroAtZero(1.0), "power of x near zero"),
        (KeepsNoUnits(), "largest change of log p under other units"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, ScalePrior) else "",
)
def test_a_prior_that_tells_something_wrong_is_named(prior, sentence):
    with pytest.raises(CheckError, match=f"fails 1 of . checks: {sentence}"):
        check_prior(prior, worlds=0)


def test_worlds_drawn_from_another_prior_are_told():
    """Simulation-based calibration: ranks of half-normal truths under a wide posterior."""
    from partialpool import testing

    narrow, wide = HalfNormal(0.2), HalfNormal(5.0)
    assert testing._calibration(narrow, 200, seed=1).holds

    class DrawnNarrow(HalfNormal):
        def log_density(self, x, reference):
            # worlds are drawn from a grid of 20,001 values; the posterior asks for fewer at once
            chosen = narrow if np.size(x) > 10_000 else wide
            return chosen.log_density(x, reference)

    assert not testing._calibration(DrawnNarrow(5.0), 200, seed=1).holds


@pytest.mark.parametrize("link", [LOGIT, LOG], ids=lambda link: link.name)
def test_the_links_pass(link):
    assert all(check.holds for check in check_link(link))


class WrongSkew(Logit):
    def skew(self, mean):
        return 1.0 - mean


class WrongMode(Log):
    def mode(self, y, size):
        return np.log(y)


class WrongStep(Logit):
    def cumulant_step(self, theta, step):
        return self.cumulant(theta + step) - self.cumulant(theta)  # loses digits of short steps


@pytest.mark.parametrize(
    ("link", "sentence"),
    [
        (WrongSkew(), "third derivative over the second"),
        (WrongMode(), "slope of the likelihood at its mode"),
        (WrongStep(), "A\\(theta \\+ 1e-09\\)"),
    ],
    ids=lambda value: type(value).__name__ if not isinstance(value, str) else "",
)
def test_a_link_whose_functions_disagree_is_named(link, sentence):
    with pytest.raises(CheckError, match=sentence):
        check_link(link)
