"""Counts with predictors and one or several factors: everything but the hyperparameters, jointly.

    eta = known + Z b_0 + W b,   b_0,j = L_0 v_j,   b = Lam r,   v_j ~ N(0, I)

b holds the effects of every factor but the one with most groups, and the coefficients; Lam is
block diagonal with the factors' L and, for the coefficients, the identity. Given the
hyperparameters the joint mode of (v, r) is found by Newton's method; a variational step moves the
normal approximation from the mode to where the mass is; what it says of the rows, a weight and a
mean each, serves as a `Site` at other hyperparameters too.

Sources: Opper and Archambeau (2009), doi:10.1162/neco.2008.08-07-592, for Gaussian variational
approximations; Bates et al. (2015), doi:10.18637/jss.v067.i01, for the blocks.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import scipy

from partialpool._typing import Floats, Ints
from partialpool.kernels import batched_linalg
from partialpool.kernels.families import LOG
from partialpool.kernels.group_quadrature import GroupedRows

DENSE_CELLS = 2**24
"""Elements up to which W and the products of its columns are held as dense arrays."""
NEWTON_STEPS = 80
"""At most: a guard; with five nothing moves for `datasets.seeds` (benchmarks/constants.py)."""
CONVERGED_RISE = 1e-6
"""Newton's method ends where the log density can rise by less; the rule over groups and the
importance weights make good what is left."""
LEAST_WEIGHT = 1e-12
"""Least weight of a row: where all its probability is on one side it says nothing more."""
LARGEST_VARIANCE = 25.0
"""Variance of a linear predictor beyond which the expectation over it is taken as there."""
LONGEST_STEP = 3.0
"""The variational step is no longer, in sds along any direction of r: from a mode that is no more
than that away from the mass, longer ones overshoot."""


@dataclass(frozen=True, eq=False)
class JointRows:
    """Rows in the order of the largest factor's groups, with the columns of everything else.

    Parameters
    ----------
    grouped : GroupedRows
        Counts and the columns of the largest factor.
    known : ndarray, shape (N,)
    w : ndarray or sparse array, shape (N, d)
        Columns of the other factors' effects, level by level and group by group, then those of
        the coefficients.
    blocks : tuple of (int, int)
        Groups and effects of each of the other levels.
    p : int
        Number of coefficients.
    """

    grouped: GroupedRows
    known: Floats
    w: Any
    blocks: tuple[tuple[int, int], ...]
    p: int

    def with_dispersion(self, dispersion: float | None) -> JointRows:
        """The rows at a dispersion; these rows where they have none."""
        grouped = self.grouped.with_dispersion(dispersion)
        return self if grouped is self.grouped else replace(self, grouped=grouped)

    @property
    def d(self) -> int:
        """Length of r."""
        return int(self.w.shape[1])

    @cached_property
    def events(self) -> tuple[Floats, Floats]:
        """Sums over groups of events times what is known, (J,), and times the columns, (J, d)."""
        g = self.grouped
        known = g.sums((g.y * self.known)[:, None])[:, 0]
        if scipy.sparse.issparse(self.w):
            return known, _sparse_sums(g, g.y, self.w)
        return known, g.sums(g.y[:, None] * self.w)

    @property
    def effects(self) -> int:
        """Length of r less the coefficients."""
        return self.d - self.p

    def scaled(self, factors: Sequence[Floats], r: Floats) -> Floats:
        """Lam r for rows of r, (B, d), and L of the other levels, (B, q, q) each."""
        return self._blockwise(factors, r, "bac,bgc->bga")

    def scaled_transposed(self, factors: Sequence[Floats], a: Floats) -> Floats:
        """Lam' a; a (B, d)."""
        return self._blockwise(factors, a, "bca,bgc->bga")

    def _blockwise(self, factors: Sequence[Floats], values: Floats, how: str) -> Floats:
        out, begin = values.copy(), 0
        for (groups, q), factor in zip(self.blocks, factors, strict=True):
            at = slice(begin, begin + groups * q)
            each = values[:, at].reshape(-1, groups, q)
            # b: points, g: groups, a and c: effects of a group
            done = factor[:, 0, 0, None, None] * each if q == 1 else np.einsum(how, factor, each)
            out[:, at] = done.reshape(len(values), -1)
            begin = at.stop
        return out

    def both_sides(self, factors: Sequence[Floats], m: Floats) -> Floats:
        """Lam' M Lam for symmetric matrices, (B, d, d)."""
        size = len(m)
        # Lam' (Lam' M)' = Lam' M Lam, as M is symmetric
        for _ in range(2):
            flat = m.reshape(size * self.d, self.d)
            wide = [np.repeat(f, self.d, axis=0) for f in factors]
            m = self.scaled_transposed(wide, flat).reshape(size, self.d, self.d).swapaxes(1, 2)
        return m

    def scales(self, factor: Sequence[Floats]) -> Floats | None:
        """Diagonal of Lam where it is diagonal, (B, d), otherwise None."""
        if any(q > 1 for _, q in self.blocks):
            return None
        ones = np.ones((len(factor[0]) if len(factor) else 1, self.p))
        parts = [
            np.repeat(f[:, 0], groups, axis=1)
            for f, (groups, _) in zip(factor, self.blocks, strict=True)
        ]
        return np.concatenate([*parts, ones], axis=1)


@dataclass(frozen=True, slots=True, eq=False)
class Curvature:
    """Weighted cross-products of the rows' columns, without any prior.

    Parameters
    ----------
    own : ndarray, shape (q, q, J)
        Z' w Z of each group.
    cross : ndarray, shape (q, J, d)
        Z' w W of each group.
    rest : ndarray, shape (d, d)
        W' w W.
    """

    own: Floats
    cross: Floats
    rest: Floats


def curvature(rows: JointRows, weight: Floats) -> Curvature:
    """Weighted cross-products for the rows' weights, (N,)."""
    g = rows.grouped
    own = np.empty((g.q, g.q, len(g.starts)))
    for a in range(g.q):
        for c in range(g.q):
            own[a, c] = g.sums((weight * g.z[:, a] * g.z[:, c])[:, None])[:, 0]
    if scipy.sparse.issparse(rows.w):
        weighted = rows.w.multiply(weight[:, None]).tocsr()
        rest = (rows.w.T @ weighted).toarray()
        cross = np.stack([_sparse_sums(g, g.z[:, a], weighted) for a in range(g.q)])
        return Curvature(own, cross, rest)
    weighted = weight[:, None] * rows.w
    cross = np.stack(
        [g.sums(weighted if g.intercept else weighted * g.z[:, a : a + 1]) for a in range(g.q)]
    )
    return Curvature(own, cross, rows.w.T @ weighted)


def _sparse_sums(g: GroupedRows, column: Floats, weighted: Any) -> Floats:
    ends = np.append(g.starts, len(g.y))
    # rows are sorted by group: the group starts are the row pointer of the matrix that sums them
    picks = scipy.sparse.csr_array(
        (column, np.arange(len(column)), ends), shape=(len(g.starts), len(column))
    )
    return np.asarray((picks @ weighted).toarray())


@dataclass(frozen=True, slots=True, eq=False)
class Hyper:
    """One point of the hyperparameters, as the rows need it.

    Parameters
    ----------
    first : ndarray, shape (q, q)
        L of the factor with most groups.
    others : tuple of ndarray, shape (q, q)
    prior : ndarray, shape (p + 1, p + 1)
        Precision of ``[beta -1]``.
    dispersion : float, optional
        Of rows that vary more than Poisson or binomial ones.
    """

    first: Floats
    others: tuple[Floats, ...]
    prior: Floats
    dispersion: float | None = None


@dataclass(frozen=True, slots=True, eq=False)
class _Whitened:
    """Factors of the joint precision of (v, r) for some weights of the rows.

    lower (q, q, J): of D = L_0' own L_0 + I; half (q, J, d): lower^-1 C; root (d, d): of
    S = Lam' rest Lam + prior - C' D^-1 C.
    """

    lower: Floats
    half: Floats
    root: Floats

    def solve(self, gv: Floats, gr: Floats) -> tuple[Floats, Floats]:
        """Solve the joint system for gradients (q, J) and (d,)."""
        first = batched_linalg.forward(self.lower[:, :, None], gv[:, None, None].copy())[:, 0, 0]
        # by blocks: r from the Schur complement, then v given r
        r = scipy.linalg.cho_solve((self.root, True), gr - np.einsum("qjd,qj->d", self.half, first))
        left = (first - self.half @ r)[:, None, None]
        return batched_linalg.backward(self.lower[:, :, None], left)[:, 0, 0], r

    @property
    def log_det(self) -> float:
        """Half the logarithm of the joint determinant."""
        own = sum(np.log(self.lower[a, a]).sum() for a in range(len(self.lower)))
        return float(own + np.log(np.diag(self.root)).sum())


def _whitened(rows: JointRows, hyper: Hyper, c: Curvature) -> _Whitened:
    first = hyper.first
    q = len(first)
    # L_0' own L_0 of every group j
    own = np.einsum("ca,cej,ef->afj", first, c.own, first)
    for a in range(q):
        own[a, a] += 1.0
    lower = batched_linalg.cholesky(own)
    cross = np.einsum("ca,cjd->ajd", first, c.cross)
    flat = rows.scaled_transposed(
        [np.broadcast_to(f, (q * cross.shape[1], *f.shape)) for f in hyper.others],
        cross.reshape(-1, rows.d),
    )
    # forward() wants (q, G, r, L): groups last, so that the columns of C are the right-hand sides
    right = np.ascontiguousarray(flat.reshape(cross.shape).transpose(0, 2, 1))[:, None]
    half = batched_linalg.forward(lower[:, :, None], right)[:, 0].transpose(0, 2, 1)
    s = rows.both_sides([f[None] for f in hyper.others], c.rest[None])[0]
    s = s + _prior_precision(rows, hyper)
    for a in range(q):
        # C' D^-1 C, summed over groups
        s -= half[a].T @ half[a]
    return _Whitened(lower, half, scipy.linalg.cholesky(s, lower=True, check_finite=False))


def _prior_precision(rows: JointRows, hyper: Hyper) -> Floats:
    out = np.zeros((rows.d, rows.d))
    m = rows.effects
    out[range(m), range(m)] = 1.0
    # standardised effects have precision one; coefficients that of their prior
    out[m:, m:] = hyper.prior[:-1, :-1]
    return out


@dataclass(frozen=True, slots=True, eq=False)
class Mode:
    """The joint mode of (v, r) at one point of the hyperparameters.

    Parameters
    ----------
    v : ndarray, shape (q, J)
    r : ndarray, shape (d,)
    laplace : float
        Log of the integral over (v, r) by Laplace's approximation, up to a constant.
    system : _Whitened
    """

    v: Floats
    r: Floats
    laplace: float
    system: _Whitened


def _gradients(
    rows: JointRows, hyper: Hyper, residual: Floats, v: Floats, r: Floats
) -> tuple[Floats, Floats]:
    """Gradients of the joint log density in v, (q, J), and r, (d,)."""
    g, m = rows.grouped, rows.effects
    score = g.sums(residual[:, None] * g.z).T  # (q, J)
    rest = np.asarray(rows.w.T @ residual)
    gr = rows.scaled_transposed([f[None] for f in hyper.others], rest[None])[0]
    gr[:m] -= r[:m]
    # the prior is -1/2 (beta, -1) P (beta, -1)', which holds its mean too
    gr[m:] += hyper.prior[:-1, -1] - hyper.prior[:-1, :-1] @ r[m:]
    return hyper.first.T @ score - v, gr


def linear_predictor(rows: JointRows, hyper: Hyper, v: Floats, r: Floats) -> Floats:
    """Eta of every row, (N,)."""
    g = rows.grouped
    b = rows.scaled([f[None] for f in hyper.others], r[None])[0]
    of_group = (g.z * g.to_rows((hyper.first @ v).T)).sum(axis=1)
    return np.asarray(rows.known + rows.w @ b + of_group)


def _log_joint(rows: JointRows, hyper: Hyper, eta: Floats, v: Floats, r: Floats) -> float:
    g, m = rows.grouped, rows.effects
    likelihood = float(g.likelihood.value(eta).sum() - g.best.sum())
    one = np.append(r[m:], -1.0)
    return likelihood - 0.5 * float((v**2).sum() + r[:m] @ r[:m] + one @ hyper.prior @ one)


def joint_mode(rows: JointRows, hyper: Hyper, start: tuple[Floats, Floats]) -> Mode:
    """Newton's method with halved steps from a start (v, r)."""
    rows = rows.with_dispersion(hyper.dispersion)
    v, r = start
    best, move = -np.inf, (np.zeros_like(v), np.zeros_like(r))
    system: _Whitened | None = None
    for _ in range(NEWTON_STEPS):
        eta = linear_predictor(rows, hyper, v, r)
        value = _log_joint(rows, hyper, eta, v, r)
        # down by more than rounding: half of the last step is taken back; nan counts as down
        if not value >= best - 1e-9 * (1.0 + abs(best)):
            move = 0.5 * move[0], 0.5 * move[1]
            v, r = v - move[0], r - move[1]
            continue
        best = max(value, best)
        score, weight = rows.grouped.likelihood.slopes(eta)
        gv, gr = _gradients(rows, hyper, score, v, r)
        # a row whose weight has underflowed would leave the system singular
        system = _whitened(rows, hyper, curvature(rows, np.maximum(weight, LEAST_WEIGHT)))
        move = system.solve(gv, gr)
        # twice the rise that a quadratic would have
        if float((gv * move[0]).sum() + gr @ move[1]) < CONVERGED_RISE:
            break
        v, r = v + move[0], r + move[1]
    if system is None:
        raise scipy.linalg.LinAlgError("the log density is not a number at the start")
    # Laplace: log density at the mode less half the log determinant of its curvature
    return Mode(v, r, best - system.log_det, system)


@dataclass(frozen=True, slots=True, eq=False)
class Variational:
    """The normal approximation of (v, r) after the variational step.

    Parameters
    ----------
    v, r : ndarray, shape (q, J) and (d,)
    weight, residual : ndarray, shape (N,)
        Expected curvature of every row under it, and expected slope: events beyond their mean.
    system : _Whitened
    """

    v: Floats
    r: Floats
    weight: Floats
    residual: Floats
    system: _Whitened


def variational(rows: JointRows, hyper: Hyper, mode: Mode) -> Variational:
    """One variational step from the mode; a second gained nothing measurable."""
    rows = rows.with_dispersion(hyper.dispersion)
    eta = linear_predictor(rows, hyper, mode.v, mode.r)
    residual, weight = _expected(rows, eta, _leverage(rows, hyper, mode.system))
    gv, gr = _gradients(rows, hyper, residual, mode.v, mode.r)
    system = _whitened(rows, hyper, curvature(rows, weight))
    move = system.solve(gv, gr)
    # in sds: root' r has unit variance
    largest = float(np.abs(move[1] @ system.root).max(initial=0.0))
    share = min(1.0, LONGEST_STEP / max(largest, 1e-300))
    v, r = mode.v + share * move[0], mode.r + share * move[1]
    eta = linear_predictor(rows, hyper, v, r)
    # once more at the new place, for the site that is made of it
    residual, weight = _expected(rows, eta, _leverage(rows, hyper, system))
    return Variational(v, r, weight, residual, system)


def _leverage(rows: JointRows, hyper: Hyper, system: _Whitened) -> Floats:
    """Variance of every row's linear predictor under a normal approximation, (N,)."""
    g = rows.grouped
    t = (g.z @ hyper.first).T  # (q, N)
    lower = g.to_rows(system.lower.transpose(2, 0, 1)).transpose(1, 2, 0)
    own = batched_linalg.forward(lower[:, :, None], t[:, None, None].copy())[:, 0, 0]
    # z'L_0 D^-1 L_0'z, and what r adds: the variance of a'r with a what is left of the row's
    # columns once its group takes its part
    out = (own**2).sum(axis=0)
    w = rows.w.toarray() if scipy.sparse.issparse(rows.w) else rows.w
    wide = rows.scaled_transposed(
        [np.broadcast_to(f, (len(w), *f.shape)) for f in hyper.others], np.asarray(w)
    )
    for a in range(g.q):
        # Lam'w - C'D^-1 L_0'z
        wide = wide - own[a][:, None] * g.to_rows(system.half[a])
    half = scipy.linalg.solve_triangular(system.root, wide.T, lower=True, check_finite=False)
    return np.asarray(out + (half**2).sum(axis=0))


def _expected(rows: JointRows, eta: Floats, variance: Floats) -> tuple[Floats, Floats]:
    """Expected slope and curvature of every row, eta being normal with these variances."""
    g = rows.grouped
    variance = np.minimum(variance, LARGEST_VARIANCE)
    if g.link is LOG and g.exponential:
        # E exp(eta) of a normal eta, in closed form
        rate = g.size * g.link.natural(eta + 0.5 * variance)
        return g.y - rate, np.maximum(rate, LEAST_WEIGHT)
    node, share = np.polynomial.hermite_e.hermegauss(5)  # 9 change no figure of the result
    residual, weight = np.zeros_like(eta), np.zeros_like(eta)
    for x, s in zip(node, share / share.sum(), strict=True):
        slope, w = g.likelihood.slopes(eta + x * np.sqrt(variance))
        residual, weight = residual + s * slope, weight + s * w
    return residual, np.maximum(weight, LEAST_WEIGHT)


# a site: what the rows say, for any hyperparameters -------------------------------------------


@dataclass(frozen=True, eq=False)
class Site:
    """The rows as a normal likelihood of (b_0, b), whatever their prior.

    Parameters
    ----------
    rows : JointRows
    curvature : Curvature
    linear_own : ndarray, shape (q, J)
    linear_rest : ndarray, shape (d,)
        Log likelihood: -1/2 (b_0, b)' curvature (b_0, b) + linear' (b_0, b).
    pairs : ndarray or None, shape (q (q + 1) / 2, J, d (d + 1) / 2)
        Products of the columns of `cross`, from which S is one matrix product for many points;
        None where these would be too many to hold.
    """

    rows: JointRows
    curvature: Curvature
    linear_own: Floats
    linear_rest: Floats
    pairs: Floats | None


def make_site(rows: JointRows, hyper: Hyper, linear: Variational) -> Site:
    """The site that a variational approximation tells."""
    g, c = rows.grouped, curvature(rows, linear.weight)
    b0 = hyper.first @ linear.v
    b = rows.scaled([f[None] for f in hyper.others], linear.r[None])[0]
    # a normal likelihood with curvature C and slope s at b has the linear part C b + s
    own = np.einsum("acj,cj->aj", c.own, b0) + c.cross @ b
    own += g.sums(linear.residual[:, None] * g.z).T
    rest = c.rest @ b + np.einsum("ajd,aj->d", c.cross, b0)
    rest += np.asarray(rows.w.T @ linear.residual)
    return Site(rows, c, own, rest, _pairs(c.cross))


def _pairs(cross: Floats) -> Floats | None:
    q, groups, d = cross.shape
    if q * (q + 1) // 2 * groups * d * (d + 1) // 2 > DENSE_CELLS:
        return None
    i, k = np.triu_indices(d)
    out = []
    for a in range(q):
        for c in range(a + 1):
            product = cross[a][:, i] * cross[c][:, k]
            if a != c:
                # both orders of two effects, as the coefficient is symmetric too
                product = product + cross[c][:, i] * cross[a][:, k]
            out.append(product)
    return np.stack(out)


@dataclass(frozen=True, slots=True, eq=False)
class Conditional:
    """r given the hyperparameters under a site, at B points, and how v follows.

    Parameters
    ----------
    mean : ndarray, shape (B, d)
    root : ndarray, shape (B, d, d)
        Lower factor of the precision.
    """

    mean: Floats
    root: Floats


def conditional(site: Site, first: Floats, others: Sequence[Floats], prior: Floats) -> Conditional:
    """The normal approximation of r at B points of the hyperparameters.

    Parameters
    ----------
    site : Site
    first : ndarray, shape (B, q, q)
    others : sequence of ndarray, shape (B, q, q)
    prior : ndarray, shape (B, p + 1, p + 1)
        Precision of ``[beta -1]``.
    """
    rows, c = site.rows, site.curvature
    spread = pooled(site, first)  # L_0 D^-1 L_0', (q, q, J, B)
    size, d, m = len(first), rows.d, rows.effects
    s = _less_groups(site, spread, size)
    # means of groups' effects at b = 0, which take their part of the rows' linear term
    follow = np.einsum("acjb,cj->ajb", spread, site.linear_own)
    h = site.linear_rest - np.tensordot(follow, c.cross, axes=([0, 1], [0, 1]))
    scales = rows.scales(others)
    if scales is None:
        s = rows.both_sides(others, s)
        h = rows.scaled_transposed(others, h)
    else:
        s = s * scales[:, :, None] * scales[:, None, :]
        h = h * scales
    # prior of the standardised effects; the coefficients' own below
    s[:, range(m), range(m)] += 1.0
    s[:, m:, m:] += prior[:, :-1, :-1]
    h[:, m:] += prior[:, :-1, -1]
    root = batched_linalg.stacked_cholesky(s)
    half = batched_linalg.stacked_forward(root, h[:, :, None])[:, :, 0]
    mean = solve_transposed(root, half)
    return Conditional(mean.reshape(size, d), root)


def solve_transposed(root: Floats, right: Floats) -> Floats:
    """Solve root' x = right; (B, d, d) and (B, d)."""
    return np.asarray(batched_linalg.stacked_backward(root, right[:, :, None])[:, :, 0])


def _own_factor(own: Floats, first: Floats) -> Floats:
    """Lower factors of D = L_0' own L_0 + I, own (q, q, J); (q, q, J, B)."""
    q = len(own)
    if q == 1:
        # one effect: the factor is a root, without a loop
        return np.sqrt(own[:, :, :, None] * first[:, 0, 0] ** 2 + 1.0)
    d = np.einsum("bca,cej,bef->afjb", first, own, first, optimize=True)
    for a in range(q):
        d[a, a] += 1.0
    return batched_linalg.cholesky(d)


def pooled(site: Site, first: Floats, groups: Ints | None = None) -> Floats:
    """L_0 D^-1 L_0', the variance of groups' effects given b under the site; (q, q, J, B).

    Parameters
    ----------
    site : Site
    first : ndarray, shape (B, q, q)
        L_0.
    groups : ndarray of int, shape (J,), optional
        Some groups; all by default.
    """
    own = site.curvature.own if groups is None else site.curvature.own[:, :, groups]
    lower = _own_factor(own, first)
    q = len(lower)
    if q == 1:
        return np.asarray(first[:, 0, 0] ** 2 / lower**2)
    # rows of L_0 as right-hand sides: x[m, :, a] solves lower x = L_0'[:, a]
    # B: points, last; J: groups
    right = np.broadcast_to(
        first.transpose(2, 1, 0)[:, None], (q, lower.shape[2], q, len(first))
    ).copy()
    x = batched_linalg.forward(lower, right)  # (q, J, q, B)
    return np.asarray(np.einsum("mjab,mjcb->acjb", x, x))


def _less_groups(site: Site, spread: Floats, size: int) -> Floats:
    """W' w W less what the groups take with them; (B, d, d)."""
    c, d = site.curvature, site.rows.d
    q = len(spread)
    if site.pairs is not None:
        i, k = np.triu_indices(d)
        lowered = np.zeros((size, len(i)))
        at = 0
        for a in range(q):
            for e in range(a + 1):
                lowered += spread[a, e].T @ site.pairs[at]
                at += 1
        out = np.empty((size, d, d))
        out[:, i, k] = c.rest[i, k] - lowered
        out[:, k, i] = out[:, i, k]
        return out
    out = np.empty((size, d, d))
    for b in range(size):
        wide = np.einsum("acj,cjd->ajd", spread[:, :, :, b], c.cross)
        out[b] = c.rest - sum(c.cross[a].T @ wide[a] for a in range(q))
    return out


def group_start(site: Site, first: Floats, b: Floats) -> Floats:
    """Means of v given b under the site, where quadrature starts; b (B, d), out (q, J, B)."""
    c = site.curvature
    lower = _own_factor(c.own, first)
    # v has precision D = L_0' own L_0 + I and linear part L_0' (linear - C b)
    left = site.linear_own[:, :, None] - c.cross @ b.T  # (q, J, B)
    left = np.einsum("bca,cjb->ajb", first, left)
    return batched_linalg.backward(lower, batched_linalg.forward(lower, left[:, :, None]))[:, :, 0]
