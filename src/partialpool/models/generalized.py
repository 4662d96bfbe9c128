"""Generalized linear mixed models of counts with one grouping factor.

    y_i ~ Binomial(n_i, expit(eta_i))  or  Poisson(e_i exp(eta_i)),
    eta_i = offset_i + x_i beta + z_i b_g(i),   b_g ~ N(0, Sigma)

Given the hyperparameters phi (sds and correlations) the groups are integrated out by adaptive
quadrature at every beta, and beta by a rule for densities that are nearly normal, which corrects
its normal approximation. What remains is the density of phi, and the first moments of beta and
of every group given phi.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import cached_property

import numpy as np

from partialpool._typing import Floats, Ints
from partialpool.data.count_rows import CountProducts
from partialpool.errors import ImproperPosteriorError
from partialpool.integrate import Cloud
from partialpool.integrate.nearly_normal import Rule, cubature, normal_rule
from partialpool.kernels import grouped
from partialpool.kernels.grouped import CountSums, Joint
from partialpool.kernels.tree import Functional
from partialpool.models.mixed import MixedModel, mixed_model
from partialpool.models.prior_set import Priors

POINTS = {1: (7, 11, 17, 27, 43), 2: (5, 7, 9, 13, 19), 3: (5, 7, 9)}
"""Nodes of the quadrature rule over each group's effects that are tried, by their number."""
GOOD = 2e-5
"""Change of the log likelihood from one rule to the next that is small enough."""
AFFORDED = 2**27
"""Rows times nodes of all rules, beyond which beta gets few nodes."""
HEAVIEST = 12
"""Nodes at which errors are estimated."""
CHUNK = 2**22
"""Elements held at once."""
OFF, NARROW, WIDE = 0.5, 0.7, 1.6
"""A rule is laid again where it was off by so many sds, or its sd is so far from one."""


@dataclass(frozen=True, slots=True, eq=False)
class Inner:
    """Beta and the groups given phi, at G nodes.

    Parameters
    ----------
    log_total : ndarray, shape (G,)
        Log likelihood of phi, beta (with its prior) and the groups integrated out.
    mean : ndarray, shape (G, p)
    covariance : ndarray, shape (G, p, p)
        Of beta in the basis.
    third : ndarray, shape (G, p)
        Third central moments of the coefficients as named.
    error : ndarray, shape (G,)
        Of beta's moments, as far as it can be told, in sds.
    """

    log_total: Floats
    mean: Floats
    covariance: Floats
    third: Floats
    error: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Together:
    """Moments of the groups' v with beta, at G nodes.

    Parameters
    ----------
    mean : ndarray, shape (G, q, L)
    covariance : ndarray, shape (G, q, q, L)
    cross : ndarray, shape (G, q, L, p)
        Covariances with beta.
    beta : Inner
    """

    mean: Floats
    covariance: Floats
    cross: Floats
    beta: Inner


@dataclass(frozen=True, eq=False)
class ByGroup:
    """Integrates the groups of one factor, and beta, at nodes of phi.

    Parameters
    ----------
    rows : CountSums
    order : ndarray of int, shape (L,)
        The group, by label, of each group in the order of the rows.
    named : ndarray, shape (p, p)
        Coefficients as named from beta.
    points : int
        Nodes of the quadrature rule along each effect.
    rule : Rule
        Over beta.
    """

    rows: CountSums
    place: Ints
    named: Floats
    points: int
    rule: Rule

    @cached_property
    def seconds(self) -> float:
        """Duration of one evaluation, measured."""
        q, p = self.rows.z.shape[1], self.rows.x.shape[1]
        factor, prior = np.tile(np.eye(q) * 0.5, (4, 1, 1)), np.zeros((4, p + 1, p + 1))
        prior[:, :p, :p] = np.eye(p)
        start = time.perf_counter()
        self.integrate(factor, prior)
        return (time.perf_counter() - start) / 4.0

    def integrate(self, factor: Floats, prior: Floats) -> Inner:
        """Integrate beta and the groups; Lambda (G, q, q), prior precision (G, p + 1, p + 1)."""
        return self._integrated(factor, prior)[0]

    def _integrated(self, factor: Floats, prior: Floats) -> tuple[Inner, Floats, Floats]:
        """Also the points of beta, (G, B, p), and their shares, (G, B)."""
        start = np.zeros((len(factor), self.rows.x.shape[1]))
        joint = grouped.joint_modes(self.rows, factor, prior, start)
        center, root = joint.beta, _root_of_inverse(joint)
        for _ in range(4):
            inner, points, share, shifted = self._laid(factor, prior, center, root)
            if self.rule.coarse or not shifted.any():
                break
            spread = np.linalg.cholesky(inner.covariance)
            center = np.where(shifted[:, None], inner.mean, center)
            root = np.where(shifted[:, None, None], spread, root)
        return inner, points, share

    def _laid(
        self, factor: Floats, prior: Floats, center: Floats, root: Floats
    ) -> tuple[Inner, Floats, Floats, Floats]:
        rule, p = self.rule, self.rows.x.shape[1]
        nodes, each = len(factor), len(rule.points)
        points = center[:, None] + np.einsum("gij,bj->gbi", root, rule.points)
        flat = points.reshape(-1, p)
        found = grouped.log_marginals(self.rows, flat, np.repeat(factor, each, axis=0), self.points)
        one = np.concatenate([points, np.full((nodes, each, 1), -1.0)], axis=2)
        quadratic = np.einsum("gbi,gij,gbj->gb", one, prior, one, optimize=True)
        log_f = found.reshape(nodes, each) - 0.5 * quadratic + rule.log_weight
        top = log_f.max(axis=1)
        share = np.exp(log_f - top[:, None])
        total = share.sum(axis=1)
        share /= total[:, None]
        mean = share @ rule.points
        second = np.einsum("gb,bi,bj->gij", share, rule.points, rule.points, optimize=True)
        second -= mean[:, :, None] * mean[:, None, :] + rule.excess
        sd = np.sqrt(np.einsum("gii->gi", second))
        off = (np.abs(mean) > OFF).any(axis=1) | (sd < NARROW).any(axis=1) | (sd > WIDE).any(axis=1)
        log_det = np.log(np.abs(np.einsum("gii->gi", root))).sum(axis=1)
        away = np.einsum("gbi,ki->gbk", points, self.named)
        away = away - np.einsum("gb,gbk->gk", share, away)[:, None]
        third = np.einsum("gb,gbk->gk", share, away**3)
        error = np.zeros(nodes)
        if rule.sampled:
            error = np.sqrt(np.maximum((share**2).sum(axis=1) - 1.0 / each, 0.0))
        elif rule.coarse:
            error = np.square(mean).max(axis=1, initial=0.0)
        inner = Inner(
            log_total=top + np.log(total) - rule.log_excess + log_det,
            mean=center + np.einsum("gij,gj->gi", root, mean),
            covariance=root @ second @ root.transpose(0, 2, 1),
            third=third,
            error=error,
        )
        return inner, points, share, off

    def error(self, factor: Floats, prior: Floats, weight: Floats) -> float:
        """Error of the totals and of beta's moments, as far as it can be told, in sds.

        That of the quadrature over groups by how its change from one rule to a finer one differs
        between nodes; that of the rule over beta by its noise, or by the square of its
        correction.
        """
        found = self.integrate(factor, prior)
        coarse, fine = (
            grouped.log_marginals(self.rows, found.mean, factor, k)
            for k in (self.points, self.points + self.points // 2 + 2)
        )
        change = fine - coarse
        spread = math.sqrt(float(weight @ (change - weight @ change) ** 2))
        return spread + float(weight @ found.error)

    @property
    def words(self) -> str:
        """What is done within."""
        over = f"Gauss-Hermite quadrature with {self.points} nodes an effect over groups"
        return f"{over}; coefficients by {self.rule.name}"

    def together(self, factor: Floats, prior: Floats) -> Together:
        """Moments of every group's v, beta integrated out."""
        size = max(1, CHUNK // (len(self.rule.points) * max(len(self.place), 1)))
        parts = [
            self._together(factor[g : g + size], prior[g : g + size])
            for g in range(0, len(factor), size)
        ]
        inner = Inner(
            *(np.concatenate([getattr(p.beta, f.name) for p in parts]) for f in fields(Inner))
        )
        return Together(
            *(
                np.concatenate([getattr(p, name) for p in parts])
                for name in ("mean", "covariance", "cross")
            ),
            inner,
        )

    def _together(self, factor: Floats, prior: Floats) -> Together:
        inner, points, share = self._integrated(factor, prior)
        nodes, each, p = points.shape
        found = grouped.groups(
            self.rows, points.reshape(-1, p), np.repeat(factor, each, axis=0), self.points
        )
        q, groups = len(found.mean), found.mean.shape[2]
        v = found.mean.reshape(q, nodes, each, groups)
        mean = np.einsum("gb,qgbl->gql", share, v)
        v -= mean.transpose(1, 0, 2)[:, :, None]
        within = found.covariance.reshape(q, q, nodes, each, groups)
        spread = np.einsum("gb,qrgbl->gqrl", share, within)
        spread += np.einsum("gb,qgbl,rgbl->gqrl", share, v, v, optimize=True)
        away = points - np.einsum("gb,gbi->gi", share, points)[:, None]
        cross = np.einsum("gb,qgbl,gbi->gqli", share, v, away, optimize=True)
        back = np.empty(groups, dtype=np.int64)
        back[self.place] = np.arange(groups)
        return Together(mean[..., back], spread[..., back], cross[:, :, back], inner)


def _root_of_inverse(joint: Joint) -> Floats:
    """C with C C' the inverse of the precision; (G, p, p), upper triangular."""
    lower = np.linalg.cholesky(joint.precision)
    return np.asarray(np.linalg.inv(lower).transpose(0, 2, 1))


@dataclass(frozen=True, eq=False)
class GeneralizedModel(MixedModel):
    """The likelihood and priors of a generalized linear mixed model over phi.

    Parameters
    ----------
    statistics : CountProducts
    inner : ByGroup
        Integrates the groups and beta out; it is the kernel too.
    """

    statistics: CountProducts
    inner: ByGroup

    def prior_precision(self, points: Floats) -> Floats:
        """Precision of ``[beta -1]`` in the basis at points of phi; (G, p + 1, p + 1)."""
        out = np.tile(self._normal, (len(points), 1, 1))
        for k, (row, _) in enumerate(reversed(self._heavy), start=1):
            out += np.outer(row, row) / points[:, -k, None, None]
        return out

    def integrated(self, points: Floats) -> Inner:
        """Beta and the groups integrated out at points of phi."""
        return self.inner.integrate(self.lambdas(points)[0], self.prior_precision(points))

    def evaluate(self, points: Floats) -> tuple[Floats, Floats]:
        """Log posterior density of phi, up to a constant, and beta given phi; as `MixedModel`."""
        found = self.integrated(points)
        spread = found.covariance.reshape(len(points), -1)
        ones = np.ones((len(points), 1))
        carried = np.concatenate([ones, found.mean, spread, found.third], axis=1)
        return found.log_total + self.log_prior(points), carried

    def inner_error(self, cloud: Cloud) -> float:
        """Estimated error of the integrals within, in posterior sds, over the heaviest nodes."""
        some = np.argsort(-cloud.weight)[:HEAVIEST]
        points = cloud.points[some]
        weight = cloud.weight[some] / cloud.weight[some].sum()
        return self.inner.error(self.lambdas(points)[0], self.prior_precision(points), weight)

    @property
    def seconds(self) -> float:
        """Rough duration of one evaluation among many."""
        return self.inner.seconds

    def functional(
        self, points: Floats, index: Sequence[Ints], z: Sequence[Floats], x: Floats
    ) -> Functional:
        """Groups' effects given beta, as the normal distribution with their joint moments."""
        factor = self.lambdas(points)[0]
        found = self._together(points)
        return _regressed(found, factor, index[0], z[0], x)

    def draw_groups(
        self, points: Floats, beta: Floats, sigma: Floats, rng: np.random.Generator
    ) -> list[Floats]:
        """Draw every group's effects given beta, from the normal with their joint moments."""
        factor = self.lambdas(points)[0]
        found = self._together(points)
        away = np.linalg.solve(found.beta.covariance, (beta - found.beta.mean)[:, :, None])[:, :, 0]
        solved = np.linalg.inv(found.beta.covariance)
        within = found.covariance - np.einsum(
            "gqli,gij,grlj->gqrl", found.cross, solved, found.cross, optimize=True
        )
        mean = found.mean + np.einsum("gqli,gi->gql", found.cross, away)
        root = np.linalg.cholesky(within.transpose(0, 3, 1, 2))  # (G, L, q, q)
        v = mean.transpose(0, 2, 1) + np.einsum(
            "glqr,glr->glq", root, rng.standard_normal((*mean.shape[::2], mean.shape[1]))
        )
        return [np.einsum("gkm,glm->glk", factor, v)]

    def _together(self, points: Floats) -> Together:
        """Moments of all groups; the last points asked for are kept."""
        key = points.tobytes()
        if key not in self._kept:
            self._kept.clear()
            factor, prior = self.lambdas(points)[0], self.prior_precision(points)
            self._kept[key] = self.inner.together(factor, prior)
        return self._kept[key]

    @cached_property
    def _kept(self) -> dict[bytes, Together]:
        return {}


def _regressed(found: Together, factor: Floats, index: Ints, z: Floats, x: Floats) -> Functional:
    """Combinations of groups' effects as linear functions of beta, with what is left of them."""
    u = np.einsum("gkm,rk->grm", factor, z)  # (G, R, q)
    nodes, p = len(factor), x.shape[1]
    constant, variance = np.zeros((nodes, len(x))), np.zeros((nodes, len(x)))
    coefficient = np.tile(x, (nodes, 1, 1))
    new, known = index == -1, np.flatnonzero(index >= 0)
    variance[:, new] = (u[:, new] ** 2).sum(axis=2)
    if len(known):
        at, here = index[known], u[:, known]
        cross = np.einsum("grq,gqrp->grp", here, found.cross[:, :, at], optimize=True)
        slope = cross @ np.linalg.inv(found.beta.covariance) if p else cross
        mean = np.einsum("grq,gqr->gr", here, found.mean[:, :, at])
        spread = np.einsum("grq,gqsr,grs->gr", here, found.covariance[..., at], here, optimize=True)
        constant[:, known] = mean - np.einsum("grp,gp->gr", slope, found.beta.mean)
        coefficient[:, known] += slope
        variance[:, known] = np.maximum(spread - (slope * cross).sum(axis=2), 0.0)
    return Functional(constant, coefficient, variance)


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
    rows, place = _rows_of(plain)
    matrix, _ = plain.system.named
    draft = ByGroup(rows, place, matrix, 1, cubature(rows.x.shape[1]))
    given = {f.name: getattr(plain, f.name) for f in fields(MixedModel)}
    model = GeneralizedModel(**given, inner=draft)
    return GeneralizedModel(**given, inner=_sized(model))


def _rows_of(plain: MixedModel) -> tuple[CountSums, Ints]:
    """The rows of the one level, sorted by group, in the system's terms."""
    s, system = plain.statistics, plain.system
    assert isinstance(s, CountProducts)
    counted = s.rows
    matrix, offset = system.named
    index, z = system.weights(
        len(counted.y),
        {t: (g, v) for t, (g, v) in enumerate(zip(counted.group, counted.z, strict=True))},
    )
    order = np.argsort(index[0], kind="stable")
    group = index[0][order]
    starts = np.flatnonzero(np.diff(group, prepend=-1))
    base = counted.offset + counted.x @ offset
    rows = CountSums(
        s.link,
        counted.y[order],
        counted.size[order],
        base[order],
        (counted.x @ matrix)[order],
        z[0][order],
        starts,
    )
    return rows, group[starts]


def _sized(model: GeneralizedModel) -> ByGroup:
    """Quadrature rules good enough at two typical spreads, and a rule over beta that is afforded."""
    draft = model.inner
    q, p = draft.rows.z.shape[1], draft.rows.x.shape[1]
    points = np.concatenate([model.starts[:1], model.starts[:1]])
    for term in model.terms:
        points[1, term.sds] *= 2.0
    factor, beta = model.lambdas(points)[0], np.zeros((2, p))
    tried = POINTS.get(q, (1,))
    found = np.array([grouped.log_marginals(draft.rows, beta, factor, k) for k in tried])
    good = np.abs(np.diff(found, axis=0)).max(axis=1) < GOOD
    chosen = tried[int(np.argmax(good))] if good.any() else tried[-1]
    cost = len(draft.rows.y) * chosen**q * 40
    rule = normal_rule(p)
    if cost * len(rule.points) > AFFORDED:
        rule = cubature(p)
    return ByGroup(draft.rows, draft.place, draft.named, chosen, rule)


def _separated(s: CountProducts, names: list[str]) -> ImproperPosteriorError:
    scale = "2.5" if s.proportion else "3"
    listed = ", ".join(names)
    return ImproperPosteriorError(
        f"the data put no limit on {listed}: some combination of predictors tells events from "
        f"none without error, so that under flat priors the posterior has no finite total. Give "
        f'the coefficients proper priors, such as --prior "beta ~ normal(0, {scale})" and '
        f'--prior "Intercept ~ normal(0, 5)", or leave out predictors'
    )
