"""Generalized linear mixed models of counts.

    y_i ~ Binomial(n_i, expit(eta_i))  or  Poisson(e_i exp(eta_i)),
    eta = offset + X beta + sum_t Z_t b_t,   b_t,l ~ N(0, Sigma_t)

Given the hyperparameters phi (sds and correlations) the groups and beta are integrated out by
`ByGroup` for one grouping factor, by `BySeveral` for more. What remains is the density of phi, and
the first moments of beta and of every group given phi.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import numpy as np

from partialpool._typing import Floats, Ints
from partialpool.data.count_rows import CountProducts
from partialpool.data.sorted_rows import sorted_rows
from partialpool.errors import ImproperPosteriorError
from partialpool.integrate import WeightedNodes
from partialpool.integrate.nearly_normal import STEP, Rule, cubature, lattice
from partialpool.kernels import grouped
from partialpool.kernels.tree import Functional
from partialpool.models.by_group import ByGroup, Inner
from partialpool.models.by_several import BySeveral
from partialpool.models.mixed import MixedModel, mixed_model
from partialpool.models.prior_set import Priors

POINTS = {1: (5, 7, 11, 17, 27, 43), 2: (5, 7, 9, 13, 19), 3: (5, 7, 9)}
"""Nodes of the quadrature rule over each group's effects that are tried, by their number."""
GOOD = 1e-3
"""Change of the log likelihood from one rule to the next that is small enough, as far as it is not
the same at two spreads."""
FEW = 5
"""And as many as are enough to look for the highest point."""
NODES = 40
"""About how many nodes of phi there are."""
AFFORDED = 2**28
"""Rows times nodes of all rules, beyond which beta gets few nodes."""
HEAVIEST = 12
"""Nodes at which errors are estimated."""


@dataclass(frozen=True, eq=False)
class GeneralizedModel(MixedModel):
    """The likelihood and priors of a generalized linear mixed model over phi.

    Parameters
    ----------
    statistics : CountProducts
    inner : ByGroup or BySeveral
        Integrates the groups and beta out.
    """

    statistics: CountProducts
    inner: ByGroup | BySeveral

    def prior_precision(self, points: Floats) -> Floats:
        """Precision of ``[beta -1]`` in the basis at points of phi; (G, p + 1, p + 1)."""
        out = np.tile(self._normal, (len(points), 1, 1))
        for k, (row, _) in enumerate(reversed(self._heavy), start=1):
            out += np.outer(row, row) / points[:, -k, None, None]
        return out

    def integrated(self, points: Floats) -> Inner:
        """Beta and the groups integrated out at points of phi."""
        return self.inner.integrate(self.lambdas(points), self.prior_precision(points))

    def evaluate(self, points: Floats) -> tuple[Floats, Floats]:
        """Log posterior density of phi, up to a constant, and beta given phi; as `MixedModel`.

        What is carried along ends with the third central moments of the coefficients as named.
        """
        found = self.integrated(points)
        spread = found.covariance.reshape(len(points), -1)
        ones, (named, _) = np.ones((len(points), 1)), self.system.named
        third = np.einsum("ka,kb,kc,gabc->gk", named, named, named, found.third, optimize=True)
        carried = np.concatenate([ones, found.mean, spread, third], axis=1)
        return found.log_total + self.log_prior(points), carried

    @np.errstate(all="ignore")
    def inner_error(self, cloud: WeightedNodes) -> float:
        """Estimated error of the integrals within, in posterior sds, over the heaviest nodes."""
        some = np.argsort(-cloud.weight)[:HEAVIEST]
        points = cloud.points[some]
        weight = cloud.weight[some] / cloud.weight[some].sum()
        return self.inner.error(self.lambdas(points), self.prior_precision(points), weight)

    def rough(self, points: Floats) -> tuple[Floats, Floats]:
        """As `evaluate`, with few points: good enough to find the highest point."""
        if isinstance(self.inner, BySeveral):
            return self.evaluate(points)
        few = min(self.inner.points, FEW)
        rough = replace(self.inner, points=few, rule=cubature(self.system.p, 3))
        return replace(self, inner=rough).evaluate(points)

    @property
    def skewed(self) -> bool:
        """Whether third moments of groups' effects are known."""
        return isinstance(self.inner, ByGroup)

    @property
    def seconds(self) -> float:
        """Rough duration of one evaluation among many."""
        return self.inner.seconds

    @np.errstate(all="ignore")  # at nodes far out
    def functional(
        self, points: Floats, index: Sequence[Ints], z: Sequence[Floats], x: Floats
    ) -> Functional:
        """Groups' effects given beta, as the normal distribution with their joint moments."""
        prior = self.prior_precision(points)
        return self.inner.functional(self.lambdas(points), prior, index, z, x)

    @np.errstate(all="ignore")
    def draw_at(
        self, points: Floats, which: Ints, beta: Floats, rng: np.random.Generator
    ) -> list[Floats]:
        """Draw every group's effects given beta and the node of phi of each draw."""
        prior = self.prior_precision(points)
        return self.inner.draw(self.lambdas(points), prior, which, beta, rng)


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
    given = {f.name: getattr(plain, f.name) for f in fields(MixedModel)}
    draft = _draft(plain)
    points, rule = _rules(GeneralizedModel(**given, inner=draft))
    if isinstance(draft, ByGroup):
        return GeneralizedModel(**given, inner=replace(draft, points=points, rule=rule))
    return GeneralizedModel(**given, inner=replace(draft, points=points))


def _draft(plain: MixedModel) -> ByGroup | BySeveral:
    """The rows in the system's terms; no rules yet."""
    assert isinstance(plain.statistics, CountProducts)
    several, place = sorted_rows(plain.statistics, plain.system)
    if several.sizes:
        return BySeveral(several, place, 1)
    return ByGroup(several.rows, place, 1, cubature(plain.system.p, 3))


def _rules(model: GeneralizedModel) -> tuple[int, Rule]:
    """Quadrature good enough at two typical spreads, and a rule over beta that is afforded."""
    rows = model.inner.rows
    q, p = rows.z.shape[1], rows.x.shape[1]
    points = np.concatenate([model.starts[:1], model.starts[:1]])
    for term in model.terms:
        points[1, term.sds] *= 3.0
    factor, beta = model.lambdas(points)[0], np.zeros((2, p))
    tried = POINTS.get(q, (1,))
    chosen, before = tried[-1], grouped.log_marginals(rows, beta, factor, tried[0])
    for k, finer in itertools.pairwise(tried):
        found = grouped.log_marginals(rows, beta, factor, finer)
        change = found - before
        if abs(float(change[1] - change[0])) < GOOD:
            chosen = k
            break
        before = found
    for rule in (lattice(p) if p in STEP else cubature(p, 5), cubature(p, 5)):
        if len(rows.y) * chosen**q * NODES * rule.evaluated <= AFFORDED:
            return chosen, rule
    return chosen, cubature(p, 3)


def _separated(s: CountProducts, names: list[str]) -> ImproperPosteriorError:
    scale = "2.5" if s.proportion else "3"
    listed = ", ".join(names)
    return ImproperPosteriorError(
        f"the data put no limit on {listed}: some combination of predictors tells events from "
        f"none without error, so that under flat priors the posterior has no finite total. Give "
        f'the coefficients proper priors, such as --prior "beta ~ normal(0, {scale})" and '
        f'--prior "Intercept ~ normal(0, 5)", or leave out predictors'
    )
