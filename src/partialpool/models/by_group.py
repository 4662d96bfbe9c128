"""Counts with one grouping factor, given the hyperparameters: groups and beta integrated out.

The groups by adaptive quadrature at every beta; beta by a rule for densities that are nearly
normal, which corrects the normal approximation.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property, partial

import numpy as np

from partialpool._typing import Bools, Floats, Ints
from partialpool.integrate.nearly_normal import Rule, cubature
from partialpool.kernels import grouped, nearby, small
from partialpool.kernels.grouped import CountSums, Joint
from partialpool.kernels.tree import Functional, Skewness

AGAIN = 3
"""Times a rule is laid again, at most."""
CHUNK = 2**22
"""Elements held at once."""
CLIMB, FARTHEST = 8, 3.0
"""Steps toward the highest point over beta where a rule was off, and their largest length."""
OFF, NARROW, WIDE = 0.5, 0.7, 1.6
"""A rule is laid again where it was off by so many sds, or its sd is so far from one."""
STRAY = 2.0
"""What is told of points beyond those evaluated is no farther from the normal than so much more."""
LEAST = 0.05
"""Variances that a rule finds, relative to those it was laid with, are no less than this."""


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
    third : ndarray, shape (G, p, p, p)
        Third central moments of beta; zero where the rule is cubature, which does not tell them.
    """

    log_total: Floats
    mean: Floats
    covariance: Floats
    third: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Together:
    """Moments of the groups' v with beta, at G nodes.

    Parameters
    ----------
    mean : ndarray, shape (G, q, L)
    covariance : ndarray, shape (G, q, q, L)
    cross : ndarray, shape (G, q, L, p)
        Covariances with beta.
    third : ndarray, shape (G, q, q, q, L)
        Third central moments of v less its regression on beta, e.
    twice : ndarray, shape (G, q, q, p, L)
        Of e twice and beta once.
    once : ndarray, shape (G, q, p, p, L)
    beta : Inner
    """

    mean: Floats
    covariance: Floats
    cross: Floats
    third: Floats
    twice: Floats
    once: Floats
    beta: Inner


@dataclass(frozen=True, slots=True, eq=False)
class _Laid:
    """A rule over beta as laid: its center, (G, p), points, (G, B, p), and their shares, (G, B).

    `second`, (G, p, p), holds the variances that it found, relative to those it was laid for, and
    `off`, (G,), says where it missed.
    """

    center: Floats
    points: Floats
    share: Floats
    second: Floats
    off: Bools


@dataclass(frozen=True, eq=False)
class ByGroup:
    """Integrates the groups of one factor, and beta, at nodes of phi.

    Parameters
    ----------
    rows : CountSums
    place : ndarray of int, shape (L,)
        The group, by label, of each group in the order of the rows.
    points : int
        Nodes of the quadrature rule along each effect.
    rule : Rule
        Over beta.
    """

    rows: CountSums
    place: Ints
    points: int
    rule: Rule

    @property
    def seconds(self) -> float:
        """Rough duration of one evaluation among many."""
        size, q = self.rows.z.shape
        return 1e-4 + 8e-9 * float(size * self.rule.evaluated * self.points**q)

    def integrate(self, factors: Sequence[Floats], prior: Floats) -> Inner:
        """Integrate beta and the groups out at G nodes.

        Parameters
        ----------
        factors : sequence of ndarray, shape (G, q, q)
            Lambda of each level: here of one.
        prior : ndarray, shape (G, p + 1, p + 1)
            Precision of ``[beta -1]``.
        """
        return self._integrated(factors[0], prior)[0]

    def _begin(self, factor: Floats, prior: Floats) -> tuple[Floats, Floats]:
        """Where the rule is laid first, (G, p), and the factor of the variances there."""
        start = np.zeros((len(factor), self.rows.x.shape[1]))
        joint = grouped.joint_modes(self.rows, factor, prior, start)
        return joint.beta, _root_of_inverse(joint)

    def _integrated(self, factor: Floats, prior: Floats) -> tuple[Inner, _Laid]:
        center, root = self._begin(factor, prior)
        inner, laid = self._laid(factor, prior, center, root)
        for again in range(AGAIN):
            at = np.flatnonzero(laid.off)
            if not len(at):
                break
            if again == 0:  # the joint mode is not that of beta alone
                center[at] = self._climbed(factor[at], prior[at], center[at], root[at])
            else:
                root[at] = root[at] @ _bounded_root(laid.second[at])
                center[at] = inner.mean[at]
            better, new = self._laid(factor[at], prior[at], center[at], root[at])
            _put(inner, better, at)
            _put(laid, new, at)
        return inner, laid

    def _climbed(self, factor: Floats, prior: Floats, beta: Floats, root: Floats) -> Floats:
        """Nearer to the highest point over beta, (G, p), the groups integrated out.

        By Newton's method with the curvature, that of the joint mode, kept: C C' is its inverse.
        Steps that lead down are shortened.
        """
        rows, p, points = self.rows, beta.shape[1], self.points
        out = beta.copy()
        size = max(1, CHUNK // max(len(rows.y) * self.points ** len(rows.z.T), 1))
        for g in range(0, len(beta), size):
            part = slice(g, g + size)
            here, v = out[part], None
            best, length = np.full(len(here), -np.inf), np.ones(len(here))
            step = np.zeros_like(here)
            for _ in range(CLIMB):
                tried = here + length[:, None] * step
                found = grouped.expected(rows, tried, factor[part], points, v)
                one = np.concatenate([tried, np.full((len(tried), 1), -1.0)], axis=1)
                value = found.log_marginal - 0.5 * np.einsum("gi,gij,gj->g", one, prior[part], one)
                up = value >= best - 1e-9 * np.abs(best)
                here = np.where(up[:, None], tried, here)
                best = np.where(up, value, best)
                gradient = found.residual @ rows.x + prior[part, :p, p]
                gradient -= np.einsum("gij,gj->gi", prior[part, :p, :p], tried)
                whitened = np.einsum("gji,gj->gi", root[part], gradient)
                far = np.sqrt((whitened**2).sum(axis=1, keepdims=True))
                whitened *= np.minimum(1.0, FARTHEST / np.maximum(far, 1e-300))
                ahead = np.einsum("gij,gj->gi", root[part], whitened)
                step = np.where(up[:, None], ahead, step)
                length = np.where(up, 1.0, 0.4 * length)
                v = found.v
            out[part] = here
        return np.asarray(out)

    def _laid(
        self, factor: Floats, prior: Floats, center: Floats, root: Floats
    ) -> tuple[Inner, _Laid]:
        points = self._points(center, root)
        inside = points[:, : self.rule.evaluated]
        found = nearby.log_marginals(self.rows, center, inside, factor, self.points)
        return self._summed(prior, center, root, points, found)

    def _points(self, center: Floats, root: Floats) -> Floats:
        away = np.einsum("gij,bj->gbi", root, self.rule.points)
        return np.asarray(center[:, None] + away)

    def _summed(
        self, prior: Floats, center: Floats, root: Floats, points: Floats, found: Floats
    ) -> tuple[Inner, _Laid]:
        """Beta by a rule with these points, and log likelihoods at the first of them."""
        rule, nodes, each = self.rule, len(center), self.rule.evaluated
        one = np.concatenate([points[:, :each], np.full((nodes, each, 1), -1.0)], axis=2)
        quadratic = ((one @ prior) * one).sum(axis=2)
        normal = -0.5 * (rule.points**2).sum(axis=1)
        log_f = rule.extended(found - 0.5 * quadratic - normal[:each])
        least, most = log_f[:, :each].min(axis=1), log_f[:, :each].max(axis=1)
        log_f = np.clip(log_f, least[:, None] - STRAY, most[:, None] + STRAY) + normal
        top = log_f.max(axis=1)
        share = np.exp(log_f - top[:, None]) * rule.weight
        total = share.sum(axis=1)
        share /= total[:, None]
        mean = share @ rule.points
        second = np.einsum("gb,bi,bj->gij", share, rule.points, rule.points, optimize=True)
        second = _at_least(second - mean[:, :, None] * mean[:, None, :] - rule.excess, LEAST)
        sd = np.sqrt(np.maximum(np.einsum("gii->gi", second), 0.0))
        off = (np.abs(mean) > OFF).any(axis=1) | (sd < NARROW).any(axis=1) | (sd > WIDE).any(axis=1)
        log_det = np.log(np.abs(np.einsum("gii->gi", root))).sum(axis=1)
        third = np.zeros((nodes, *(rule.points.shape[1],) * 3))
        if rule.degree is None:
            away = points - np.einsum("gb,gbi->gi", share, points)[:, None]
            third = np.einsum("gb,gbi,gbj,gbk->gijk", share, away, away, away, optimize=True)
        inner = Inner(
            log_total=top + np.log(total) - rule.log_excess + log_det,
            mean=center + np.einsum("gij,gj->gi", root, mean),
            covariance=root @ second @ root.transpose(0, 2, 1),
            third=third,
        )
        return inner, _Laid(center, points, share, second, off)

    def error(self, factors: Sequence[Floats], prior: Floats, weight: Floats) -> float:
        """Error of the totals and of beta's moments, as far as it can be told, in sds.

        That of the quadrature over groups by how its change from one rule to a finer one differs
        between nodes; that of cubature by the difference between degrees 3 and 5, of which that
        of degree 5 is off by a quarter or less.
        """
        found = self.integrate(factors, prior)
        finer = self.points + self.points // 2 + 2
        coarse, fine = (
            grouped.log_marginals(self.rows, found.mean, factors[0], k)
            for k in (self.points, finer)
        )
        change = fine - coarse
        spread = math.sqrt(float(weight @ (change - weight @ change) ** 2))
        if self.rule.degree is None:
            return spread
        heaviest = slice(0, 1)
        here = [f[heaviest] for f in factors], prior[heaviest]
        p = self.rows.x.shape[1]
        three, five = (
            replace(self, rule=cubature(p, degree)).integrate(*here) for degree in (3, 5)
        )
        sd3, sd5 = (np.sqrt(np.einsum("gii->gi", f.covariance)) for f in (three, five))
        off = np.concatenate([(three.mean - five.mean) / sd5, np.log(sd3 / sd5)])
        share = 1.0 if self.rule.degree == 3 else 0.25
        return spread + share * float(np.abs(off).max(initial=0.0))

    @property
    def words(self) -> str:
        """What is done within."""
        over = f"Gauss-Hermite quadrature with {self.points} nodes an effect over groups"
        return f"{over}; coefficients by {self.rule.name}"

    def functional(
        self,
        factors: Sequence[Floats],
        prior: Floats,
        index: Sequence[Ints],
        z: Sequence[Floats],
        x: Floats,
    ) -> Functional:
        """Groups' effects given beta, as the normal distribution with their joint moments."""
        return _regressed(self._kept_together(factors[0], prior), factors[0], index[0], z[0], x)

    def draw(
        self,
        factors: Sequence[Floats],
        prior: Floats,
        which: Ints,
        beta: Floats,
        rng: np.random.Generator,
    ) -> list[Floats]:
        """Draw every group's effects given beta, from the normal with their joint moments.

        Parameters
        ----------
        factors, prior : ndarray
            At G nodes, as of `integrate`.
        which : ndarray of int, shape (S,)
            The node of each draw.
        beta : ndarray, shape (S, p)
        rng : numpy.random.Generator

        Returns
        -------
        list of ndarray, shape (S, L, q)
        """
        found = self._kept_together(factors[0], prior)
        inverse = np.linalg.inv(found.beta.covariance)
        slope = np.einsum("gqli,gij->gqlj", found.cross, inverse, optimize=True)
        within = found.covariance - np.einsum("gqli,grli->gqrl", slope, found.cross)
        root = small.root(within.transpose(0, 3, 1, 2))  # (G, L, q, q)
        out = np.empty((len(which), len(self.place), len(found.mean[0])))
        for g in np.unique(which):
            at = np.flatnonzero(which == g)
            away = beta[at] - found.beta.mean[g]
            v = found.mean[g].T + np.einsum("qli,si->slq", slope[g], away)
            normal = rng.standard_normal((len(at), *root.shape[1:3]))
            v += np.einsum("lqr,slr->slq", root[g], normal)
            out[at] = v @ factors[0][g].T
        return [out]

    def _kept_together(self, factor: Floats, prior: Floats) -> Together:
        """Moments of all groups; those of the last nodes asked for are kept."""
        key = factor.tobytes() + prior.tobytes()
        if key not in self._kept:
            self._kept.clear()
            self._kept[key] = self.together(factor, prior)
        return self._kept[key]

    @cached_property
    def _kept(self) -> dict[bytes, Together]:
        return {}

    def together(self, factor: Floats, prior: Floats) -> Together:
        """Moments of every group's v, beta integrated out."""
        q = self.rows.z.shape[1]
        size = max(1, CHUNK // (len(self.rule.points) * max(len(self.place), 1) * q**3))
        parts = [
            self._together(factor[g : g + size], prior[g : g + size])
            for g in range(0, len(factor), size)
        ]
        arrays = [f.name for f in fields(Together) if f.name != "beta"]
        whole = {name: np.concatenate([getattr(p, name) for p in parts]) for name in arrays}
        return Together(**whole, beta=_joined([p.beta for p in parts]))

    def _together(self, factor: Floats, prior: Floats) -> Together:
        center, root = self._begin(factor, prior)
        points = self._points(center, root)
        each = self.rule.evaluated
        found, v, within, third = nearby.moments(
            self.rows, center, points[:, :each], factor, self.points
        )
        inner, laid = self._summed(prior, center, root, points, found)
        if laid.off.any():  # the rule is laid again somewhere
            inner, laid = self._integrated(factor, prior)
            _, v, within, third = nearby.moments(
                self.rows, laid.center, laid.points[:, :each], factor, self.points
            )
        v, within, third = (self.rule.extended(a, axis=-2) for a in (v, within, third))
        share = laid.share
        mean = np.einsum("gb,qgbl->gql", share, v, optimize=True)
        v -= mean.transpose(1, 0, 2)[:, :, None]
        away = laid.points - np.einsum("gb,gbi->gi", share, laid.points)[:, None]
        slope = _slope(share, v, away)
        v -= np.einsum("gqli,gbi->qgbl", slope, away, optimize=True)  # e
        square = within + v[:, None] * v[None]
        spread = np.einsum("gb,qrgbl->gqrl", share, square, optimize=True)
        cross = np.einsum("gqli,gij->gqlj", slope, inner.covariance, optimize=True)
        if self.rule.degree == 3:  # does not tell how v curves with beta
            v = np.zeros_like(v)
        third += nearby.thrice(v, within) + v[:, None, None] * v[:, None] * v
        back = np.empty(len(self.place), dtype=np.int64)
        back[self.place] = np.arange(len(back))
        total = partial(np.einsum, optimize=True)
        return Together(
            mean=mean[..., back],
            covariance=(spread + np.einsum("gqli,grli->gqrl", slope, cross))[..., back],
            cross=cross[:, :, back],
            third=total("gb,qrsgbl->gqrsl", share, third)[..., back],
            twice=total("gb,qrgbl,gbi->gqril", share, square, away)[..., back],
            once=total("gb,qgbl,gbi,gbj->gqijl", share, v, away, away)[..., back],
            beta=inner,
        )


def _slope(share: Floats, v: Floats, away: Floats) -> Floats:
    """Regression of v, (q, G, B, L), on beta, (G, B, p), both with mean zero; (G, q, L, p)."""
    cross = np.einsum("gb,qgbl,gbi->gqli", share, v, away, optimize=True)
    if not away.shape[2]:
        return np.asarray(cross)
    own = np.einsum("gb,gbi,gbj->gij", share, away, away, optimize=True)
    inverse = np.linalg.pinv(own, hermitian=True)  # singular where one point has all the weight
    return np.asarray(np.einsum("gqli,gij->gqlj", cross, inverse, optimize=True))


def _at_least(matrices: Floats, least: float) -> Floats:
    """Symmetric matrices, (G, p, p), with no eigenvalue below a number."""
    values, vectors = np.linalg.eigh(matrices)
    if values.min(initial=least) >= least:
        return matrices
    return np.asarray((vectors * np.maximum(values, least)[:, None]) @ vectors.transpose(0, 2, 1))


def _bounded_root(second: Floats) -> Floats:
    """Factors of matrices, (G, p, p), whose eigenvalues are kept from leaping."""
    values, vectors = np.linalg.eigh(second)
    bounded = np.clip(values, NARROW**2, WIDE**2)
    return small.root((vectors * bounded[:, None]) @ vectors.transpose(0, 2, 1))


def _put(whole: Inner | _Laid, part: Inner | _Laid, at: Ints) -> None:
    """Replace what belongs to some nodes."""
    for f in fields(whole):
        getattr(whole, f.name)[at] = getattr(part, f.name)


def _joined(parts: list[Inner]) -> Inner:
    columns = (np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(Inner))
    return Inner(*columns)


def _root_of_inverse(joint: Joint) -> Floats:
    """C with C C' the inverse of the precision; (G, p, p), upper triangular."""
    lower = np.linalg.cholesky(joint.precision)
    return np.asarray(np.linalg.inv(lower).transpose(0, 2, 1))


def _regressed(found: Together, factor: Floats, index: Ints, z: Floats, x: Floats) -> Functional:
    """Combinations of groups' effects as linear functions of beta, with what is left of them."""
    u = np.einsum("gkm,rk->grm", factor, z)  # (G, R, q)
    nodes, size, p = len(factor), len(x), x.shape[1]
    constant, variance = np.zeros((nodes, size)), np.zeros((nodes, size))
    noise, twice = np.zeros((nodes, size)), np.zeros((nodes, size, p))
    once, coefficient = np.zeros((nodes, size, p, p)), np.tile(x, (nodes, 1, 1))
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
        noise[:, known] = np.einsum(
            "gru,grs,grt,gustr->gr", here, here, here, found.third[..., at], optimize=True
        )
        twice[:, known] = np.einsum(
            "grq,grs,gqspr->grp", here, here, found.twice[..., at], optimize=True
        )
        once[:, known] = np.einsum("grq,gqijr->grij", here, found.once[..., at], optimize=True)
    skewness = Skewness(noise, twice, once, found.beta.third)
    return Functional(constant, coefficient, variance, skewness)
