"""Linear mixed models: predictors at both levels, varying slopes, nested and crossed groups.

    y = X beta + sum_t Z_t b_t + e,   e_i ~ N(0, sigma^2 / w_i),   b_t,l ~ N(0, Sigma_t)

Given the hyperparameters phi everything else is Gaussian, or Student's t, in closed form. phi is,
in this order: sigma (only if it is unknown and the priors have a scale of their own); for each
term the sds of its effects and, if correlated, their partial correlations; a variance for each
coefficient with a Student's t prior. Where sigma integrates out, sds are relative to sigma.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import special

from partialpool._typing import Floats, Ints
from partialpool.errors import DataError
from partialpool.integrate import Axis, Coordinate, HalfLine, Interval
from partialpool.kernels.covariance import covariance_factor
from partialpool.kernels.crossed import Crossed
from partialpool.kernels.fixed_effects import Solved, solve
from partialpool.kernels.mixed_likelihood import (
    MixedLikelihood,
    log_density,
    make_mixed_likelihood,
    typical_errors,
)
from partialpool.kernels.nested_factors import Functional, Reduced, Tree
from partialpool.kernels.normal_equations import System, dependent_columns
from partialpool.models.prior_set import Priors
from partialpool.models.priors import Normal, ScalePrior, StudentT
from partialpool.records.cross_products import DISPERSION, CrossProducts

ROUNDING = 1e-15
"""A sum that is smaller than this, relative to what it is a sum of, is rounding."""


@dataclass(frozen=True, slots=True)
class Term:
    """One group-level term and where its hyperparameters are in phi.

    Parameters
    ----------
    factor : str
    effects : tuple of str
    sds : slice
        Of the effects' sds.
    partial : slice or None
        Of the partial correlations; None if uncorrelated.
    priors : tuple of ScalePrior
        Of the sds.
    reference : ndarray, shape (q,)
        Typical standard error of a group's own effect, divided by sigma.
    """

    factor: str
    effects: tuple[str, ...]
    sds: slice
    partial: slice | None
    priors: tuple[ScalePrior, ...]
    reference: Floats


def sd_name(factor: str, effect: str) -> str:
    """Name of a standard deviation: ``tau[county]``, ``tau[county, floor]``."""
    return f"tau[{factor}]" if effect == "Intercept" else f"tau[{factor}, {effect}]"


def parameter_names(statistics: CrossProducts) -> list[str]:
    """Names of the single parameters to which a prior can be given."""
    spreads = [sd_name(b.factor, e) for b in statistics.blocks for e in b.effects]
    return [*statistics.coefficients, *spreads, *([DISPERSION] if statistics.dispersed else [])]


@dataclass(frozen=True, eq=False)
class MixedModel:
    """The likelihood and priors of a linear mixed model over its hyperparameters phi.

    Parameters
    ----------
    statistics : CrossProducts
    likelihood : MixedLikelihood
        Integrates the groups out.
    priors : Priors
    terms : tuple of Term
    df : float or None
        Degrees of freedom of sigma where it is integrated out in closed form.
    """

    statistics: CrossProducts
    likelihood: MixedLikelihood
    priors: Priors
    terms: tuple[Term, ...]
    df: float | None

    @property
    def system(self) -> System:
        """The normal equations."""
        return self.likelihood.system

    @property
    def kernel(self) -> Tree | Crossed:
        """What integrates the groups out."""
        return self.likelihood.kernel

    @property
    def seconds(self) -> float:
        """Rough duration of one evaluation among many."""
        return self.kernel.seconds

    @property
    def has_sigma(self) -> bool:
        """Whether phi begins with sigma."""
        return self.df is None and not self.statistics.sigma_known

    @cached_property
    def _normal(self) -> Floats:
        """Precision of the normal priors on ``[beta -1] basis``; shape (p + 1, p + 1)."""
        rows = [
            self.prior_row(name, prior.mean) / prior.sd
            for name in self.statistics.coefficients
            if isinstance(prior := self.priors.coefficient(name), Normal)
        ]
        stacked = np.array(rows).reshape(-1, self.system.p + 1)
        return np.asarray(stacked.T @ stacked)

    @cached_property
    def _heavy(self) -> list[tuple[Floats, StudentT]]:
        """The same for Student's t priors: rows to be divided by their variances, and priors."""
        return [
            (self.prior_row(name, prior.mean) / prior.scale, prior)
            for name in self.statistics.coefficients
            if isinstance(prior := self.priors.coefficient(name), StudentT)
        ]

    @property
    def prior_variances(self) -> slice:
        """Dimensions of phi that are variances of Student's t priors of coefficients."""
        return slice(len(self.axes) - len(self._heavy), len(self.axes))

    @property
    def prior_moments(self) -> float:
        """Least degrees of freedom of a Student's t prior of a coefficient."""
        return min((prior.df for _, prior in self._heavy), default=math.inf)

    def prior_row(self, name: str, mean: float) -> Floats:
        """Coefficient less its prior mean as a linear function of ``[beta -1] basis``."""
        row, basis = _prior_row(self.statistics, name, mean), self.system.basis
        out = row @ basis
        # what should be 0 is rounding, which the precision of a tight prior would make large
        out[np.abs(out) < ROUNDING * (np.abs(row) @ np.abs(basis))] = 0.0
        return np.asarray(out)

    @cached_property
    def sigma_guess(self) -> float:
        """Residual sd with moderately pooled groups."""
        if self.statistics.sigma_known:
            return 1.0
        ratios = zip(
            self.terms, self.likelihood.moment_ratios(), strict=True
        )  # groups may be far apart
        factors = [np.diag(np.maximum(t.reference, ratio))[None] for t, ratio in ratios]
        reduced = self.likelihood.reduced(factors)
        rest = solve(reduced.squares).rest[0] / max(self.statistics.n_used - self.system.p, 1)
        return math.sqrt(rest) or 1.0

    @cached_property
    def axes(self) -> tuple[Coordinate, ...]:
        """A smooth coordinate for each dimension of phi."""
        unit = self.sigma_guess if self.has_sigma else 1.0
        out: list[Coordinate] = [Axis(*self.priors.sigma.support)] if self.has_sigma else []
        for term in self.terms:
            for prior, reference in zip(term.priors, term.reference, strict=True):
                lower, upper = prior.support
                bounded = math.isfinite(upper)
                out.append(Interval(lower, upper) if bounded else HalfLine(unit * float(reference)))
            if term.partial is not None:
                out += [Interval(-1.0, 1.0)] * (term.partial.stop - term.partial.start)
        return (*out, *[Axis()] * len(self._heavy))

    @property
    def starts(self) -> Floats:
        """Rough guesses of phi inside the priors' range, (S, d)."""
        return np.array(
            [self._start(self.likelihood.moment_ratios()), self._start(self._small_ratios)]
        )

    @property
    def prior_starts(self) -> Floats:
        """Guesses at which coefficients lie where the data have them, in the tails of their priors.

        A Student's t prior and the data may disagree, and each be a mode. The variance of a prior
        is the square of the distance of the coefficient's estimate from its mean, in scales: of
        all such priors together, and of each alone; (S, d).
        """
        if not self._heavy:
            return np.empty((0, len(self.axes)))
        start = np.array(self._start(self.likelihood.moment_ratios()))
        at = self.prior_variances
        plain = self.reduced(start[None]).squares
        beta = np.append(solve(plain).beta[0], -1.0)
        # from the prior's mean, in its scales
        distance = np.array([row @ beta for row, _ in self._heavy])
        # a t is N(mean, scale^2 v) with v inverse gamma: given the coefficient v is about its
        # squared distance
        variance = np.maximum(distance**2, 1.0)
        out = [start.copy()]
        out[0][at] = variance
        for k in range(len(variance) if len(variance) > 1 else 0):
            out.append(start.copy())
            out[-1][at.start + k] = variance[k]
        return np.array(out)

    @property
    def _small_ratios(self) -> list[Floats]:
        return [0.1 * t.reference for t in self.terms]

    def _start(self, ratios: list[Floats]) -> list[float]:
        unit = self.sigma_guess if self.has_sigma else 1.0
        out = [inside(self.priors.sigma, unit)] if self.has_sigma else []
        for term, ratio in zip(self.terms, ratios, strict=True):
            guesses = zip(term.priors, unit * ratio, strict=True)
            out += [inside(prior, float(guess)) for prior, guess in guesses]
            if term.partial is not None:
                out += [0.0] * (term.partial.stop - term.partial.start)
        return [*out, *[1.0] * len(self._heavy)]

    def sigma(self, points: Floats) -> Floats:
        """Sigma at points of phi where it is one of them, otherwise one; (G, d) to (G,)."""
        return points[:, 0] if self.has_sigma else np.ones(len(points))

    def factors(self, points: Floats) -> list[Floats]:
        """Lambda of each term at points of phi; (G, q, q) each."""
        sigma = self.sigma(points)[:, None]
        return [
            covariance_factor(
                points[:, t.sds] / sigma, None if t.partial is None else points[:, t.partial]
            )
            for t in self.terms
        ]

    def lambdas(self, points: Floats) -> list[Floats]:
        """Lambda of each level, for the columns as shifted, at points of phi."""
        return self.system.relative_factors(self.factors(points))

    def functional(
        self, points: Floats, index: Sequence[Ints], z: Sequence[Floats], x: Floats
    ) -> Functional:
        """Linear combinations of groups' effects given beta at points of phi; see `Tree`."""
        return self.kernel.functional(self.lambdas(points), index, z, x)

    def draw_groups(
        self, points: Floats, beta: Floats, sigma: Floats, rng: np.random.Generator
    ) -> list[Floats]:
        """Draw every group's effects, one draw a point of phi; see `Tree.draw`."""
        return self.kernel.draw(self.lambdas(points), beta, sigma, rng)

    def reduced(self, points: Floats) -> Reduced:
        """The groups integrated out at points of phi."""
        return self.likelihood.reduced(self.factors(points))

    def solved(self, points: Floats, reduced: Reduced) -> Solved:
        """Beta given phi, with its priors."""
        return solve(self.with_priors(points, reduced.squares))

    def with_priors(self, points: Floats, squares: Floats) -> Floats:
        """Normal equations with the priors of beta given phi; (G, p + 1, p + 1)."""
        variance = (self.sigma(points) ** 2)[:, None, None]
        if self._normal.any():
            # everything here is times sigma^2, as X'X is
            squares = squares + variance * self._normal
        for k, (row, _) in enumerate(reversed(self._heavy), start=1):
            squares = squares + variance * np.outer(row, row) / points[:, -k, None, None]
        return squares

    def log_likelihood(self, points: Floats) -> tuple[Floats, Solved]:
        """Log likelihood of phi, beta (and sigma if `df`) integrated out; up to a constant."""
        reduced = self.reduced(points)
        solved = self.solved(points, reduced)
        log_det = reduced.log_det + solved.log_det
        if self.df is not None:
            # integral over sigma of sigma^-(df + 1) exp(-rest / (2 sigma^2)), up to a constant
            return -0.5 * (log_det + self.df * np.log(solved.rest)), solved
        # in units of the guess, so that the logarithm times the rows is small and keeps its digits
        unit = self.sigma_guess if self.has_sigma else 1.0
        sigma, freedom = self.sigma(points) / unit, self.statistics.n_used - self.system.p
        return log_density(log_det, solved.rest / unit**2, sigma, freedom), solved

    def log_prior(self, points: Floats) -> Floats:
        """Log prior density of phi, up to a constant."""
        sigma = self.sigma(points)
        out = np.zeros(len(points))
        if self.has_sigma:
            out += self.priors.sigma.log_density(sigma, 1.0)
        for term in self.terms:
            columns = points[:, term.sds].T
            for x, prior, reference in zip(columns, term.priors, term.reference, strict=True):
                # relative priors are in units of a typical group's standard error
                out += prior.log_density(x, sigma * reference)
            if term.partial is not None:
                out += self.priors.rho.log_density(points[:, term.partial], len(term.effects))
        for k, (_, heavy) in enumerate(reversed(self._heavy), start=1):
            # and the determinant of N(mean, scale^2 v)
            out += _log_inverse_gamma(points[:, -k], 0.5 * heavy.df) - 0.5 * np.log(points[:, -k])
        return out

    def rough(self, points: Floats) -> tuple[Floats, Floats]:
        """As `evaluate`, good enough to find the mode."""
        return self.evaluate(points)

    def evaluate(self, points: Floats) -> tuple[Floats, Floats]:
        """Log posterior density of phi, up to a constant, and beta given phi.

        Parameters
        ----------
        points : ndarray, shape (G, d)

        Returns
        -------
        log_density : ndarray, shape (G,)
        carried : ndarray, shape (G, 1 + p + p^2)
            Scale of sigma (sigma where it is not integrated out); mean of beta in the basis;
            its covariance over the squared scale.
        """
        log_f, solved = self.log_likelihood(points)
        scale = self.sigma(points) if self.df is None else np.sqrt(solved.rest / self.df)
        spread = solved.covariance.reshape(len(points), -1)
        carried = np.concatenate([scale[:, None], solved.beta, spread], axis=1)
        return log_f + self.log_prior(points), carried


def _log_inverse_gamma(x: Floats, half: float) -> Floats:
    constant = half * math.log(half) - special.gammaln(half)
    return np.asarray(constant - (half + 1.0) * np.log(x) - half / x)


def inside(prior: ScalePrior, guess: float) -> float:
    """The guess, or the middle of the prior's range if it is outside."""
    lower, upper = prior.support
    return guess if lower < guess < upper else 0.5 * (lower + min(upper, 2.0 * lower + 1.0))


def _prior_row(s: CrossProducts, name: str, mean: float) -> Floats:
    """Coefficient less its prior mean as a linear function of ``[beta -1]``, columns as shifted."""
    row = np.zeros(len(s.coefficients) + 1)
    row[s.coefficients.index(name)] = 1.0
    row[-1] = mean
    if name == "Intercept":
        # the intercept as named is that of shifted columns less slopes times shifts
        row[:-1] -= s.shift
        row[-1] -= s.center
    return row


def _standardised_priors(s: CrossProducts, priors: Priors) -> Floats:
    """Coefficients less their prior means, in sds or scales of the priors; (K, p + 1)."""
    rows = []
    for name in s.coefficients:
        prior = priors.coefficient(name)
        if isinstance(prior, Normal | StudentT):
            scale = prior.sd if isinstance(prior, Normal) else prior.scale
            rows.append(_prior_row(s, name, prior.mean) / scale)
    return np.array(rows).reshape(-1, len(s.coefficients) + 1)


def mixed_model(
    statistics: CrossProducts, priors: Priors, *, with_sigma: bool = False
) -> MixedModel:
    """Set up the model; `with_sigma` keeps sigma in phi even where it could be integrated out.

    Raises
    ------
    DataError
        If a predictor is a linear combination of others, or a factor has one group only.
    """
    s = statistics
    check_design(s)
    fixed = _standardised_priors(s, priors)
    likelihood = make_mixed_likelihood(s, sigma_known=s.sigma_known, priors=fixed)
    closed = _integrates_sigma(s, priors) and not with_sigma
    terms = _terms(s, priors, 0 if closed or s.sigma_known else 1)
    df = _degrees_of_freedom(s, priors, terms) if closed else None
    return MixedModel(s, likelihood, priors, terms, df)


def check_design(s: CrossProducts) -> None:
    """Refuse collinear predictors and factors with one group."""
    dependent = dependent_columns(s.xtx)
    if dependent:
        names = ", ".join(f'"{s.coefficients[k]}"' for k in dependent)
        raise DataError(
            f"the coefficients cannot be told apart: {names} can be computed from the predictors "
            f"before it ({', '.join(s.coefficients)}); leave out what is redundant"
        )
    for block in s.blocks:
        if len(block.n) < 2:
            raise DataError(
                f'"{block.factor}" has one group only ("{block.labels[0]}"): pooling needs at '
                "least two groups, and three under the default priors"
            )


def _terms(s: CrossProducts, priors: Priors, at: int) -> tuple[Term, ...]:
    out = []
    for block in s.blocks:
        q = len(block.effects)
        pairs = q * (q - 1) // 2 if block.correlated else 0
        chosen = tuple(priors.scale(sd_name(block.factor, e)) for e in block.effects)
        partial = slice(at + q, at + q + pairs) if pairs else None
        term = Term(
            block.factor, block.effects, slice(at, at + q), partial, chosen, typical_errors(block)
        )
        out.append(term)
        at += q + pairs
    return tuple(out)


def _integrates_sigma(s: CrossProducts, priors: Priors) -> bool:
    """Whether sigma integrates out in closed form: no prior has a scale of its own."""
    spreads = [priors.scale(sd_name(b.factor, e)) for b in s.blocks for e in b.effects]
    fixed = [priors.coefficient(name) for name in s.coefficients]
    return (
        not s.sigma_known
        and priors.sigma.degree is not None
        and all(p.degree is not None for p in spreads)
        and not any(p.proper for p in fixed)
    )


def _degrees_of_freedom(s: CrossProducts, priors: Priors, terms: tuple[Term, ...]) -> float:
    """Degrees of freedom of sigma given the relative sds."""
    powers = [float(p.degree or 0.0) + 1.0 for t in terms for p in t.priors]
    # the Jacobian from sds to sds over sigma gives one power of sigma each, homogeneous priors the
    # powers of their degrees, flat coefficients one each
    return s.n_used - len(s.coefficients) - 1.0 - float(priors.sigma.degree or 0.0) - sum(powers)
