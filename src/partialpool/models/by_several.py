"""Counts with several grouping factors, given the hyperparameters: everything else integrated out.

The groups of the largest factor by adaptive quadrature; the other groups' effects and beta,
together r, as normal about their highest point (Laplace). How much that matters is measured by
importance sampling of r against the density with the quadrature alone.

Source: Rue, Martino and Chopin (2009), doi:10.1111/j.1467-9868.2008.00700.x, for Laplace within
an integral over the hyperparameters.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from scipy import linalg

from partialpool._typing import Floats, Ints
from partialpool.kernels import grouped, small
from partialpool.kernels.several import Around, Several, highest
from partialpool.kernels.tree import Functional
from partialpool.models.by_group import Inner

SAMPLED = 64
"""Points of r at which the normal approximation is checked, at each of some nodes."""
CHECKED = 5
CELLS = 2**22
"""Elements held at once."""


@dataclass(frozen=True, eq=False)
class BySeveral:
    """Integrates the groups of several factors, and beta, at nodes of phi.

    Parameters
    ----------
    several : Several
        The rows, in the order of the largest factor's groups.
    place : ndarray of int, shape (L,)
        The group, by label, of each of the largest factor's groups in that order.
    points : int
        Nodes of the quadrature rule along each effect.
    """

    several: Several
    place: Ints
    points: int

    @property
    def rows(self) -> grouped.CountSums:
        """The rows with the columns of X only."""
        return self.several.rows

    @property
    def seconds(self) -> float:
        """Rough duration of one evaluation among many."""
        size, q = self.rows.z.shape
        wide = self.several.columns + self.rows.x.shape[1]
        return 3e-3 + 5e-7 * float(size * self.points**q) + 1e-10 * float(wide**3)

    @property
    def words(self) -> str:
        """What is done within."""
        return (
            f"Gauss-Hermite quadrature with {self.points} nodes an effect over the groups of the "
            "largest factor; other groups and coefficients by Laplace's approximation"
        )

    def integrate(self, factors: Sequence[Floats], prior: Floats) -> Inner:
        """Integrate beta and the groups out at G nodes; as `ByGroup.integrate`."""
        p, n = self.rows.x.shape[1], self.several.columns
        nodes = len(prior)
        total, mean, spread = np.empty(nodes), np.empty((nodes, p)), np.empty((nodes, p, p))
        for g, found in enumerate(self._each(factors, prior)):
            total[g] = found.value - np.log(np.diag(found.lower)).sum()
            mean[g] = found.at[n:]
            tail = found.lower[n:, n:]  # beta comes last: its own block of the factor
            half = linalg.solve_triangular(tail, np.eye(p), lower=True)
            spread[g] = half.T @ half
        return Inner(total, mean, spread, np.zeros((nodes, p, p, p)))

    def _each(self, factors: Sequence[Floats], prior: Floats) -> Iterator[Around]:
        """The highest point of r at each node, starting from that of the node before."""
        n = self.several.columns
        r, before = self._begin
        for g in range(len(prior)):
            first, *others = (f[g] for f in factors)
            wide = np.zeros((n + len(prior[g]), n + len(prior[g])))
            wide[:n, :n] = np.eye(n)
            wide[n:, n:] = prior[g]
            begin = self.several.same_effects(r, before, others)
            yield (found := highest(self.several.at(others), first, wide, begin, self.points))
            if math.isfinite(found.value):
                r, before = found.at, others
        self._begin[:] = r, before

    @cached_property
    def _begin(self) -> list[Any]:
        """Where the last search ended, r and Lambda of the other levels: where the next starts."""
        others = [np.eye(z.shape[1]) for z in self.several.z]
        return [np.zeros(self.several.columns + self.rows.x.shape[1]), others]

    def functional(
        self,
        factors: Sequence[Floats],
        prior: Floats,
        index: Sequence[Ints],
        z: Sequence[Floats],
        x: Floats,
    ) -> Functional:
        """Groups' effects given beta, as normal."""
        nodes = len(prior)
        constant, variance = np.empty((nodes, len(x))), np.empty((nodes, len(x)))
        coefficient = np.empty((nodes, *x.shape))
        for g, found in enumerate(self._each(factors, prior)):
            one = [f[g] for f in factors]
            step = max(1, CELLS // max(len(found.at), 1))
            for i in range(0, len(x), step):
                part = slice(i, i + step)
                here = [v[part] for v in index], [v[part] for v in z]
                c, b, v = self._functional(found, one, *here, x[part])
                constant[g, part], coefficient[g, part], variance[g, part] = c, b, v
        return Functional(constant, coefficient, variance)

    def _functional(
        self,
        found: Around,
        factors: list[Floats],
        index: Sequence[Ints],
        z: Sequence[Floats],
        x: Floats,
    ) -> tuple[Floats, Floats, Floats]:
        n, p = self.several.columns, x.shape[1]
        wide = np.zeros((len(x), n + p))  # on r, the groups of the first level following it
        own = np.zeros(len(x))
        begin = 0
        for which, each, factor, size in zip(
            index[1:], z[1:], factors[1:], self.several.sizes, strict=True
        ):
            u, q = each @ factor, each.shape[1]
            known = np.flatnonzero(which >= 0)
            wide[known[:, None], begin + which[known, None] * q + np.arange(q)] = u[known]
            own += np.where(which == -1, (u**2).sum(axis=1), 0.0)
            begin += size * q
        u = z[0] @ factors[0]
        known = np.flatnonzero(index[0] >= 0)
        own += np.where(index[0] == -1, (u**2).sum(axis=1), 0.0)
        mean = wide @ found.at
        if len(known):
            place = np.empty(len(self.place), dtype=np.int64)
            place[self.place] = np.arange(len(place))
            group, here = place[index[0][known]], u[known]
            v = grouped.groups(found.rows, found.at[None], factors[0][None], self.points)
            mean[known] += (here * v.mean[:, 0, group].T).sum(axis=1)
            own[known] += np.einsum(
                "rq,qsr,rs->r", here, v.covariance[:, :, 0, group], here, optimize=True
            )
            wide[known] += np.einsum("rq,qrn->rn", here, found.slope[:, group], optimize=True)
        half = linalg.solve_triangular(found.lower, wide.T, lower=True)
        tail = found.lower[n:, n:]  # of beta, which comes last, by itself
        cross = linalg.solve_triangular(found.lower, half, lower=True, trans=1)[n:].T  # with beta
        slope = cross @ (tail @ tail.T)
        variance = own + (half**2).sum(axis=0) - (slope * cross).sum(axis=1)
        return mean - slope @ found.at[n:], x + slope, np.maximum(variance, 0.0)

    def draw(
        self,
        factors: Sequence[Floats],
        prior: Floats,
        which: Ints,
        beta: Floats,
        rng: np.random.Generator,
    ) -> list[Floats]:
        """Draw every group's effects given beta; as `ByGroup.draw`."""
        n = self.several.columns
        widths = [z.shape[1] for z in self.several.z]
        sizes = [(len(self.place), self.rows.z.shape[1])]
        sizes += list(zip(self.several.sizes, widths, strict=True))
        out = [np.empty((len(beta), *size)) for size in sizes]
        ends = np.cumsum([groups * q for groups, q in sizes[1:]])[:-1]
        for g, found in enumerate(self._each(factors, prior)):
            at = np.flatnonzero(which == g)
            if not len(at):
                continue
            r = _given_beta(found, n, beta[at], rng)
            for m, part in enumerate(np.split(r[:, :n], ends, axis=1), start=1):
                out[m][at] = part.reshape(len(at), *sizes[m]) @ factors[m][g].T
            given = grouped.groups(
                found.rows, r, np.repeat(factors[0][g : g + 1], len(at), axis=0), self.points
            )
            root = small.root(given.covariance.transpose(2, 3, 0, 1))  # (s, L, q, q)
            normal = rng.standard_normal(root.shape[:3])
            v = given.mean.transpose(1, 2, 0) + np.einsum("slqr,slr->slq", root, normal)
            effects = np.empty_like(out[0][at])
            effects[:, self.place] = v @ factors[0][g].T
            out[0][at] = effects
        return out

    def error(self, factors: Sequence[Floats], prior: Floats, weight: Floats) -> float:
        """Error of Laplace's approximation of r, in posterior sds, by importance sampling.

        That of phi by how much the correction of the log likelihood differs between nodes, that
        of the coefficients by how far their means move.
        """
        some = slice(0, CHECKED)
        share = weight[some] / weight[some].sum()
        normal = np.random.default_rng(0).standard_normal(
            (SAMPLED // 2, self.several.columns + self.rows.x.shape[1])
        )
        normal = np.concatenate([normal, -normal])
        found = [
            self._checked(around, factors[0][g], prior[g], normal)
            for g, around in enumerate(self._each([f[some] for f in factors], prior[some]))
        ]
        change, moved = np.array([c for c, _ in found]), np.array([m for _, m in found])
        return float(np.sqrt(share @ (change - share @ change) ** 2) + share @ moved)

    def _checked(
        self, found: Around, factor: Floats, prior: Floats, normal: Floats
    ) -> tuple[float, float]:
        """Correction of the log total, and the largest move of a coefficient's mean in sds."""
        n = self.several.columns
        r = found.at + linalg.solve_triangular(found.lower, normal.T, lower=True, trans=1).T
        every = np.repeat(factor[None], len(r), axis=0)
        log_f = grouped.log_marginals(found.rows, r, every, self.points)
        one = np.concatenate([r[:, n:], np.full((len(r), 1), -1.0)], axis=1)
        log_f -= 0.5 * ((r[:, :n] ** 2).sum(axis=1) + ((one @ prior) * one).sum(axis=1))
        log_w = log_f - found.value + 0.5 * (normal**2).sum(axis=1)
        top = log_w.max()
        w = np.exp(log_w - top)
        away = r[:, n:] - found.at[n:]
        sd = np.sqrt((away**2).mean(axis=0))
        moved = np.abs((w @ away) / w.sum() / sd).max(initial=0.0)
        return float(top + np.log(w.mean())), float(moved)


def _given_beta(found: Around, n: int, beta: Floats, rng: np.random.Generator) -> Floats:
    """Draw r given its last elements, beta (S, p)."""
    head, tail = found.lower[:n, :n], found.lower[n:, :n]
    # the precision of the first n is head head', and head tail' is that between the two parts
    half = -tail.T @ (beta - found.at[n:]).T + rng.standard_normal((n, len(beta)))
    first = found.at[:n, None] + linalg.solve_triangular(head, half, lower=True, trans=1)
    return np.concatenate([first.T, beta], axis=1)
