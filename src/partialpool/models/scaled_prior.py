"""Priors to a power: how much an answer owes to them (power scaling)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np

from partialpool._typing import Floats
from partialpool.models.prior_set import Priors
from partialpool.models.priors import LKJ, Flat, Normal, Prior, ScalePrior, StudentT


@dataclass(frozen=True, slots=True)
class ScaledPrior(ScalePrior):
    """p(x)^power of another prior of a standard deviation, not normalised.

    Parameters
    ----------
    of : ScalePrior
    power : float
    reference : float
        Factor on the reference of a relative prior: where the likelihood too is scaled, or a group
        left out, the prior stays what it was.
    """

    of: ScalePrior
    power: float = 1.0
    reference: float = 1.0
    text_name: ClassVar[str] = "scaled"

    def __str__(self) -> str:
        return f"{self.of} to the power {self.power:g}"

    @property
    def proper(self) -> bool:  # type: ignore[override]
        return self.of.proper

    @property
    def tail(self) -> float:  # type: ignore[override]
        return self.power * self.of.tail

    @property
    def zero(self) -> float:
        return self.power * self.of.zero

    @property
    def degree(self) -> float | None:  # type: ignore[override]
        return None if self.of.degree is None else self.power * self.of.degree

    @property
    def relative(self) -> bool:  # type: ignore[override]
        return self.of.relative

    @property
    def support(self) -> tuple[float, float]:
        return self.of.support

    def log_density(self, x: Floats, reference: Floats | float) -> Floats:
        reference = np.multiply(reference, self.reference)
        return np.asarray(self.power * self.of.log_density(x, reference))


def scaled_priors(priors: Priors, power: float = 1.0, reference: float = 1.0) -> Priors:
    """All proper priors of a model to a power; improper ones say nothing that could be scaled.

    A normal density to the power a is normal with sd / sqrt(a), Student's t is one with
    a (df + 1) - 1 degrees of freedom, and lkj(eta) is lkj(1 + a (eta - 1)).

    Parameters
    ----------
    priors : Priors
    power : float
    reference : float
        As in `ScaledPrior`.

    Raises
    ------
    PriorError
        If a density to this power has too heavy a tail.
    """

    def one(prior: Prior) -> Prior:
        if isinstance(prior, Normal):
            return Normal(prior.mean, prior.sd / power**0.5)
        if isinstance(prior, StudentT):
            # (1 + z^2 / df)^(-(df + 1) / 2) to a power, with the scale for which z^2 / df is as
            # before
            df = power * (prior.df + 1.0) - 1.0
            return StudentT(df, prior.mean, prior.scale * (prior.df / max(df, 1e-300)) ** 0.5)
        if isinstance(prior, ScalePrior) and (prior.proper or prior.relative):
            return ScaledPrior(prior, power, reference)
        return prior

    changed: dict[str, Any] = {
        name: one(getattr(priors, name)) for name in ("mu", "tau", "sigma", "beta", "sd_log_sigma")
    }
    return replace(
        priors,
        **changed,
        # |R|^(eta - 1) to a power
        rho=LKJ(1.0 + power * (priors.rho.eta - 1.0)),
        named=tuple((name, one(prior)) for name, prior in priors.named),
    )


def with_errors_scaled(priors: Priors, reference: float) -> Priors:
    """Priors relative to standard errors as they were before these were divided by `reference`."""
    every = [priors.tau, *(p for _, p in priors.named)]
    relative = reference != 1.0 and any(getattr(p, "relative", False) for p in every)
    return scaled_priors(priors, reference=reference) if relative else priors


def says_something(priors: Priors) -> bool:
    """Whether any prior is other than flat, 1/sigma or uniform: what a power would change."""
    every = [priors.mu, priors.tau, priors.sigma, priors.beta, *(p for _, p in priors.named)]
    return any(p.proper for p in every if not isinstance(p, Flat)) or priors.rho.eta != 1.0
