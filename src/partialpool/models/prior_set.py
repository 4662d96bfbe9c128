"""The priors of a model: one for each parameter, with defaults."""

from __future__ import annotations

from dataclasses import dataclass

from partialpool.errors import PriorError
from partialpool.models.priors import (
    LKJ,
    Flat,
    HalfNormal,
    Jeffreys,
    MuPrior,
    Normal,
    Prior,
    ScalePrior,
    StudentT,
)

FLAT, ONE_OVER, UNIFORM, OF_LOG_SIGMA = Flat(), Jeffreys(), LKJ(), HalfNormal(1.0)
"""The defaults."""
OF_DISPERSION = HalfNormal(1.0)
"""The default of the dispersion of counts: rows as the family without it says, 0, and rates with a
coefficient of variation of 1 are both within its bulk."""


@dataclass(frozen=True, slots=True)
class Priors:
    """The priors of a model: ``p(mu) p(beta) p(sigma) p(tau | sigma) p(rho)``.

    The default is the textbook one: flat on mu, beta and tau, 1/sigma on sigma, uniform on
    correlation matrices. It does not depend on the units of y, and needs at least three groups.

    Parameters
    ----------
    mu : Flat, Normal or StudentT
        Of the intercept.
    tau : ScalePrior
        Of every standard deviation between groups.
    sigma : ScalePrior
        Of the standard deviation within groups.
    beta : Flat, Normal or StudentT
        Of every coefficient but the intercept.
    rho : LKJ
        Of the correlations of one term.
    named : tuple of (str, Prior)
        Of single parameters, such as ``("tau[county, floor]", HalfNormal(1))``; these go first.
        ``"dispersion"`` is that of counts that vary more than Poisson or binomial ones, by
        default half_normal(1).
    sd_log_sigma : ScalePrior
        Of the standard deviation of log sigma_j where groups differ in noise: a number without
        unit, 0.7 if one group in six has twice the usual sigma and one in six half of it.
    """

    mu: MuPrior = FLAT
    tau: ScalePrior = FLAT
    sigma: ScalePrior = ONE_OVER
    beta: MuPrior = FLAT
    rho: LKJ = UNIFORM
    named: tuple[tuple[str, Prior], ...] = ()
    sd_log_sigma: ScalePrior = OF_LOG_SIGMA

    def __post_init__(self) -> None:
        single = [p for p in self.named if not (p[0].startswith("tau[") or p[0] == "dispersion")]
        for name, prior in [("mu", self.mu), ("beta", self.beta), *single]:
            _check_coefficient(name, prior)
        spreads = [pair for pair in self.named if pair[0].startswith("tau[")]
        for name, prior in [("tau", self.tau), *spreads, ("sigma", self.sigma)]:
            _check_scale(name, prior)
        _check_scale("sd_log_sigma", self.sd_log_sigma)
        for name, prior in (("sigma", self.sigma), ("sd_log_sigma", self.sd_log_sigma)):
            if prior.relative:
                raise PriorError(
                    f"{name} ~ {prior}: this prior is relative to sigma and applies to tau only"
                )
        if not isinstance(self.rho, LKJ):
            raise PriorError(f"rho ~ {self.rho}: the prior of correlations is lkj(eta)")

    def coefficient(self, name: str) -> MuPrior:
        """The prior of one coefficient."""
        default = self.mu if name == "Intercept" else self.beta
        prior = dict(self.named).get(name, default)
        _check_coefficient(name, prior)
        assert isinstance(prior, Flat | Normal | StudentT)
        return prior

    def scale(self, name: str) -> ScalePrior:
        """The prior of one standard deviation, such as ``"tau[county, floor]"``."""
        prior = dict(self.named).get(name, self.tau)
        assert isinstance(prior, ScalePrior)
        return prior

    @property
    def dispersion(self) -> ScalePrior:
        """The prior of the dispersion of counts that vary more than Poisson or binomial ones.

        Raises
        ------
        PriorError
            If it is none of positive numbers, or improper.
        """
        prior = dict(self.named).get("dispersion", OF_DISPERSION)
        _check_scale("dispersion", prior)
        assert isinstance(prior, ScalePrior)
        if not prior.proper or prior.relative:
            raise PriorError(
                f"dispersion ~ {prior}: the prior of the dispersion must be proper and has no "
                "reference; use one such as half_normal(1), half_cauchy(1) or exponential(1)"
            )
        return prior

    def improper(self, sigma_known: bool) -> list[str]:
        """Name the parameters of a one-way model whose prior is improper."""
        priors = {"mu": self.mu, "tau": self.tau} | ({} if sigma_known else {"sigma": self.sigma})
        return [name for name, prior in priors.items() if not prior.proper]


def _check_coefficient(name: str, prior: Prior) -> None:
    if not isinstance(prior, Flat | Normal | StudentT):
        raise PriorError(
            f"{name} ~ {prior}: the prior of {name} can be flat(), normal(mean, sd) or "
            "student_t(df, mean, scale)"
        )


def _check_scale(name: str, prior: Prior) -> None:
    if not isinstance(prior, ScalePrior):
        raise PriorError(
            f"{name} ~ {prior}: the prior of a standard deviation is one on positive "
            "numbers, such as half_normal(5) or half_t(3, 0.5)"
        )
    if isinstance(prior, Jeffreys) and name != "sigma":
        raise PriorError(
            f"{name} ~ jeffreys(): 1/tau gives an infinite posterior at tau = 0, whatever the "
            "data; use flat(), half_normal(scale) or uniform_shrinkage()"
        )
