"""Generalized linear mixed models of counts.

    y_i ~ Binomial(n_i, expit(eta_i))  or  Poisson(e_i exp(eta_i)),
    eta = offset + X beta + sum_t Z_t b_t,   b_t,l ~ N(0, Sigma_t)

or rows that vary more, beta-binomial or negative binomial ones. The rows and the priors in the
terms of `CountSampler`, which draws weighted points of the joint posterior of the hyperparameters
phi (sds, correlations, the dispersion), the coefficients and the effects.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from functools import cached_property

import numpy as np

from partialpool._typing import Floats, Ints
from partialpool.errors import ImproperPosteriorError
from partialpool.integrate import Coordinate, HalfLine, Interval
from partialpool.kernels.joint_counts import Hyper, JointRows
from partialpool.models.mixed import MixedModel, inside, mixed_model
from partialpool.models.prior_set import Priors
from partialpool.records.count_products import CountProducts
from partialpool.records.sorted_rows import joint_rows


@dataclass(frozen=True, eq=False)
class GeneralizedModel(MixedModel):
    """The likelihood and priors of a generalized linear mixed model.

    Parameters
    ----------
    statistics : CountProducts
    rows : JointRows
        In the order of the groups of the factor with most of them.
    place : ndarray of int, shape (J,)
        The group, by label, of each of these in that order.
    """

    statistics: CountProducts
    rows: JointRows
    place: Ints

    @property
    def dispersed(self) -> bool:
        """Whether rows vary more than Poisson or binomial ones, by a dispersion to be learned."""
        return self.statistics.dispersed is not None

    @property
    def dispersion_at(self) -> int:
        """Which dimension of phi the dispersion is."""
        return len(self.axes) - len(self._heavy) - 1

    def dispersion(self, points: Floats) -> Floats | None:
        """The dispersion at points of phi, (G,); None where rows have none."""
        return points[:, self.dispersion_at] if self.dispersed else None

    @cached_property
    def axes(self) -> tuple[Coordinate, ...]:
        """A smooth coordinate for each dimension of phi."""
        plain = super().axes
        if not self.dispersed:
            return plain
        lower, upper = self.priors.dispersion.support
        guess = self.statistics.rough_dispersion
        own = Interval(lower, upper) if math.isfinite(upper) else HalfLine(guess)
        end = len(plain) - len(self._heavy)
        return (*plain[:end], own, *plain[end:])

    def _start(self, ratios: list[Floats]) -> list[float]:
        plain = super()._start(ratios)
        if not self.dispersed:
            return plain
        end = len(plain) - len(self._heavy)
        guess = inside(self.priors.dispersion, self.statistics.rough_dispersion)
        return [*plain[:end], guess, *plain[end:]]

    def log_prior(self, points: Floats) -> Floats:
        """Log prior density of phi, up to a constant."""
        out = super().log_prior(points)
        dispersion = self.dispersion(points)
        if dispersion is not None:
            out = out + self.priors.dispersion.log_density(dispersion, 1.0)
        return out

    def at_coordinates(self, u: Floats) -> tuple[Floats, Floats]:
        """Values of phi at coordinates u, (G, k), and the log of the change of volume, (G,)."""
        columns = [a.value(u[:, i]) for i, a in enumerate(self.axes)]
        slopes = [a.log_slope(u[:, i]) for i, a in enumerate(self.axes)]
        return np.stack(columns, axis=1), np.sum(slopes, axis=0)

    def prior_precision(self, points: Floats) -> Floats:
        """Precision of ``[beta -1]`` in the basis at points of phi; (G, p + 1, p + 1)."""
        out = np.tile(self._normal, (len(points), 1, 1))
        for k, (row, _) in enumerate(reversed(self._heavy), start=1):
            out += np.outer(row, row) / points[:, -k, None, None]
        return out

    def hyper(self, point: Floats) -> Hyper:
        """One point of phi, (1, k), as the rows need it."""
        first, *others = (f[0] for f in self.lambdas(point))
        dispersion = self.dispersion(point)
        return Hyper(
            first,
            tuple(others),
            self.prior_precision(point)[0],
            None if dispersion is None else float(dispersion[0]),
        )


def generalized_model(statistics: CountProducts, priors: Priors) -> GeneralizedModel:
    """Set up the model.

    Raises
    ------
    DataError
        If a predictor is a linear combination of others, or a factor has one group only.
    ImproperPosteriorError
        If the data set no limit to a coefficient without a proper prior.
    """
    s = statistics
    plain = mixed_model(s, priors)
    open_ended = [n for n in s.unlimited if not priors.coefficient(n).proper]
    if open_ended:
        raise _separated(s, open_ended)
    inherited = {f.name: getattr(plain, f.name) for f in fields(MixedModel)}
    rows, place = joint_rows(s, plain.system)
    return GeneralizedModel(**inherited, rows=rows, place=place)


def _separated(s: CountProducts, names: list[str]) -> ImproperPosteriorError:
    scale = "2.5" if s.proportion else "3"
    listed = ", ".join(names)
    return ImproperPosteriorError(
        f"the data put no limit on {listed}: some combination of predictors tells events from "
        f"none without error, so that under flat priors the posterior has no finite total. Give "
        f'the coefficients proper priors, such as --prior "beta ~ normal(0, {scale})" and '
        f'--prior "Intercept ~ normal(0, 5)", or leave out predictors'
    )
