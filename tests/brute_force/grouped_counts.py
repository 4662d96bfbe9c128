"""Posterior of counts with one large grouping factor, from the model's definition.

    y_i ~ Binomial(size_i, logit^-1 eta_i)  or  Poisson(size_i exp eta_i)
    eta = offset + X beta + (Z root v)[group] + sum_t tau_t r_t[level],   v, r ~ N(0, I)

Each group's v (one or two numbers) is integrated by adaptive Gauss-Hermite quadrature with many
nodes; hyperparameters, beta and the effects r of small further factors by long importance
sampling. A column of Z may have a flat prior (its root is then one): an intercept of each group.
"""

from __future__ import annotations

import numpy as np
from scipy import special

from brute_force.coordinates import correlations, covariance_root, flat, sd_of, size
from brute_force.sampling import normalised, weighted_quantiles

SCALE = 0.5
"""Of the sds' coordinates, on the link scale: where linear turns into logarithmic."""


READ_STEP, READ_REACH = 0.35, 7.0
"""Of the even rule over one effect; over two, steps are twice as long. In sds at the mode."""
ROW_NODES = 9
"""Of the effect of a row, given its group's: 15 move no log density by 1e-6 (epil)."""


def hermite(nodes):
    """Points and log weights: the integral of f N(0, 1) is the sum of exp(w + log f - x^2 / 2)."""
    x, w = np.polynomial.hermite_e.hermegauss(nodes)
    return x, np.log(w) - 0.5 * np.log(2 * np.pi) + x * x / 2


class GroupedCounts:
    """Rows must be sorted by group; priors of beta are independent normals or flat."""

    def __init__(
        self,
        y,
        X,
        group,
        Z,
        *,
        trials=None,
        exposure=None,
        extra=(),
        sd_priors=None,
        beta_mean=None,
        beta_sd=None,
        flat_columns=0,
        nodes=25,
        eta=1.0,
        row_effect=False,
    ):
        self.y, self.X, self.Z = (
            np.asarray(y, float),
            np.asarray(X, float),
            np.asarray(Z, float),
        )
        self.group = np.asarray(group)
        assert (np.diff(self.group) >= 0).all()
        self.first = np.r_[0, np.flatnonzero(np.diff(self.group)) + 1]
        self.groups = len(self.first)
        self.trials = None if trials is None else np.asarray(trials, float)
        rows = len(self.y)
        self.offset = np.zeros(rows) if exposure is None else np.log(np.asarray(exposure, float))
        self.extra = [np.asarray(g) for g in extra]
        self.extra_levels = [int(g.max()) + 1 for g in self.extra]
        self.flat_columns, self.q = flat_columns, self.Z.shape[1]
        self.random = self.q - flat_columns  # columns with a population
        self.row_effect = row_effect
        self.k = self.random + len(self.extra) + row_effect
        self.sd_priors = sd_priors or [flat] * self.k
        p = self.X.shape[1]
        self.beta_mean = np.zeros(p) if beta_mean is None else np.asarray(beta_mean, float)
        sd = np.full(p, np.inf) if beta_sd is None else np.asarray(beta_sd, float)
        self.beta_precision = 1 / sd**2
        self.eta_lkj = eta
        self.x, self.log_w = hermite(nodes)
        self.row_x, self.row_log_w = hermite(ROW_NODES)
        further = len(self.extra) + row_effect
        self.sizes = (size(self.random), further, p, sum(self.extra_levels))
        self.dimension = sum(self.sizes)
        self.prior = np.r_[np.zeros(flat_columns), np.ones(self.random)]
        levels = [np.eye(n)[g] for g, n in zip(self.extra, self.extra_levels, strict=True)]
        self.U = np.column_stack([self.X, *levels])
        self.folded = [*range(self.random), *range(self.sizes[0], sum(self.sizes[:2]))]

    def parts(self, u):
        cuts = np.cumsum(self.sizes)[:-1]
        return np.split(u, cuts, axis=1)

    def root(self, u):
        """Lower root of the covariance of a group's effects, and the log prior of its numbers."""
        priors = self.sd_priors[: self.random]
        part, log_prior = covariance_root(
            self.parts(u)[0], self.random, priors, self.eta_lkj, SCALE
        )
        full = np.zeros((len(u), self.q, self.q))
        full[:, : self.flat_columns, : self.flat_columns] = np.eye(self.flat_columns)
        full[:, self.flat_columns :, self.flat_columns :] = part
        return full, log_prior

    def standardised(self, u):
        """Normal approximation of (beta, r) given the sds: lower root of its precision, its mean.

        Rows are as normal at the point of reference, with weights w, and the groups are
        integrated out; effects of further factors are b = tau r.
        """
        root, _ = self.root(u)
        p, logs = self.sizes[2], self.parts(u)[1]
        scale = np.ones((len(u), self.U.shape[1]))
        at = p
        for t, n in enumerate(self.extra_levels):
            scale[:, at : at + n] = sd_of(logs[:, t, None], SCALE)[0]
            at += n
        turned = np.swapaxes(root, 1, 2)[:, None]
        D = turned @ self.A @ root[:, None] + np.diag(self.prior)
        C = turned @ self.C  # (points, groups, q, columns)
        solved = np.linalg.solve(D, C)
        rows = (len(u), -1, self.U.shape[1])
        S = self.K - np.swapaxes(C.reshape(rows), 1, 2) @ solved.reshape(rows)
        h = self.h - np.einsum("sgqk,sgq->sk", solved, np.einsum("srq,gr->sgq", root, self.hz))
        prior = np.r_[self.beta_precision, np.ones(self.U.shape[1] - p)]
        S = S * scale[:, :, None] * scale[:, None, :] + np.diag(prior)
        h = h * scale
        h[:, :p] += self.beta_precision * self.beta_mean
        L = np.linalg.cholesky(S)
        mean = np.linalg.solve(np.swapaxes(L, 1, 2), np.linalg.solve(L, h[..., None]))[..., 0]
        return L, mean, scale

    def fixed(self, u):
        """Coefficients and effects of further factors, (points, columns of U); log prior."""
        if not self.U.shape[1]:
            return np.zeros((len(u), 0)), np.zeros(len(u))
        u = self.within_reach(u)
        L, mean, scale = self.standardised(u)
        e = np.concatenate(self.parts(u)[2:], axis=1)
        r = mean + np.linalg.solve(np.swapaxes(L, 1, 2), e[..., None])[..., 0]
        p = self.sizes[2]
        log_prior = -((r[:, :p] - self.beta_mean) ** 2 @ self.beta_precision) / 2
        log_prior -= (r[:, p:] ** 2).sum(axis=1) / 2
        log_prior -= np.log(np.einsum("sii->si", L)).sum(axis=1)
        return r * scale, log_prior

    def refer(self, eta, mu, w):
        """Take the rows as normal at this linear predictor: the sums that `standardised` needs."""
        z = w * (eta - self.offset) + self.y - mu
        U, Z = self.U, self.Z
        self.K, self.h = (U * w[:, None]).T @ U, U.T @ z
        self.A = self.by_group(w[:, None, None] * Z[:, :, None] * Z[:, None, :])
        self.C = self.by_group(w[:, None, None] * Z[:, :, None] * U[:, None, :])
        self.hz = self.by_group(z[:, None] * Z)

    def by_group(self, x):
        return np.add.reduceat(x, self.first, axis=0)

    def beta(self, u):
        return self.fixed(u)[0][:, : self.sizes[2]]

    def extra_effects(self, u):
        cuts = np.cumsum([self.sizes[2], *self.extra_levels])
        return np.split(self.fixed(u)[0], cuts[:-1], axis=1)[1:]

    def pieces(self, u):
        """x of `fixed`, root of v's covariance, log prior of everything but v, sd of rows."""
        root, log_prior = self.root(u)
        x, log_part = self.fixed(u)
        log_prior = log_prior + log_part
        further = self.parts(u)[1]
        for t in range(further.shape[1]):
            sd, log_jacobian = sd_of(further[:, t], SCALE)
            log_prior = log_prior + log_jacobian + self.sd_priors[self.random + t](sd)
        return x, root, log_prior, sd[:, None] if self.row_effect else None

    def mean_weight(self, eta, s=None):
        """Mean and weight of each row; with row effects those of the Laplace marginal."""
        if s is not None:
            z = self.row_modes(eta, s)
            mu, w = self.mean_weight(eta + s * z)
            return mu, w / (1 + s**2 * w)
        if self.trials is None:
            mu = np.exp(np.minimum(eta, 50))
            return mu, mu
        p = special.expit(eta)
        return self.trials * p, self.trials * p * (1 - p)

    def row_modes(self, eta, s, steps=6):
        z = np.zeros_like(eta)
        for _ in range(steps):
            mu, w = self.mean_weight(eta + s * z)
            z += np.clip((s * (self.y - mu) - z) / (1 + s**2 * w), -3, 3)
        return z

    def row_likelihood(self, eta, s=None):
        if s is not None:
            return special.logsumexp(self.row_node_logs(eta, s)[0], axis=0)
        if self.trials is None:
            return self.y * eta - np.exp(np.minimum(eta, 300))
        return self.y * eta - self.trials * np.logaddexp(0, eta)

    def row_node_logs(self, eta, s, rng=None):
        """Logs of the terms of each row's integral over its effect s z, and the z; nodes first.

        With rng by an even rule that is moved at random, as in `node_logs`.
        """
        z = self.row_modes(eta, s)
        half = 1 / np.sqrt(1 + s**2 * self.mean_weight(eta + s * z)[1])
        nodes, log_w = self.row_x[:, None, None], self.row_log_w[:, None, None]
        if rng is not None:
            side = np.arange(-READ_REACH, READ_REACH, 2 * READ_STEP)[:, None, None]
            nodes, log_w = side + 2 * READ_STEP * rng.random(eta.shape), 0.0
        at = z + half * nodes
        value = np.stack([self.row_likelihood(eta + s * each) for each in at])
        return value - at**2 / 2 + np.log(half) + log_w, at

    def sums(self, x):
        return np.add.reduceat(x, self.first, axis=-1)

    def first_modes(self, x, root):
        """v if rows are as normal as they are at the point of reference."""
        turned = np.swapaxes(root, 1, 2)[:, None]
        D = turned @ self.A @ root[:, None] + np.diag(self.prior)
        h = self.hz - np.einsum("gqk,sk->sgq", self.C, x)
        return np.linalg.solve(D, turned @ h[..., None])[..., 0]

    def modes(self, x, root, s=None, steps=10):
        """Newton on v; any centre is right that is near enough for the quadrature.

        No step moves a row by more than 2: from far below, the next Poisson mean is e^(y / mu).
        """
        T = np.einsum("nq,sqr->snr", self.Z, root)
        v, near, eta = self.first_modes(x, root), False, self.offset + x @ self.U.T
        for step in range(steps + 1):
            total = eta + np.einsum("snr,snr->sn", T, v[:, self.group])
            mu, w = self.mean_weight(total, s)
            H = np.empty((len(eta), self.groups, self.q, self.q))
            for i in range(self.q):
                for j in range(i + 1):
                    H[..., i, j] = H[..., j, i] = self.sums(w * T[..., i] * T[..., j])
            H[..., range(self.q), range(self.q)] += self.prior
            if near or step == steps:
                break
            g = np.stack([self.sums((self.y - mu) * T[..., i]) for i in range(self.q)], -1)
            move = np.linalg.solve(H, (g - self.prior * v)[..., None])[..., 0]
            change = np.abs(np.einsum("snr,snr->sn", T, move[:, self.group]))
            length = np.maximum.reduceat(change, self.first, axis=1)[..., None]
            v = v + move * np.minimum(1, 2 / np.maximum(length, 1e-300))
            near = length.max() < 0.02  # squared by the step just made
        return v, H, T, eta

    def grid(self):
        """Tensor of the one-dimensional rule: points (nodes^q, q), log weights."""
        axes = np.meshgrid(*[self.x] * self.q, indexing="ij")
        logs = np.meshgrid(*[self.log_w] * self.q, indexing="ij")
        return np.stack([a.ravel() for a in axes], -1), sum(a.ravel() for a in logs)

    def even_grid(self):
        """An even rule as `grid`, fine enough to be moved about."""
        side = np.arange(-READ_REACH, READ_REACH + READ_STEP, READ_STEP * self.q)
        axes = np.meshgrid(*[side] * self.q, indexing="ij")
        points = np.stack([a.ravel() for a in axes], -1)
        each = np.log(side[1] - side[0]) - 0.5 * np.log(2 * np.pi)
        return points, np.full(len(points), self.q * each)

    def node_logs(self, u, rng=None):
        """Log of weight x integrand of every node of every group, and the nodes.

        With rng by an even rule, moved at random for every point and group: together its nodes
        are draws, whose quantiles have no steps. Few Gauss-Hermite nodes have: with 9 of them the
        ends of groups were up to 0.15 sd off.
        """
        x, root, log_prior, s = self.pieces(u)
        v, H, T, eta = self.modes(x, root, s)
        L = np.linalg.cholesky(H)
        inverse = np.linalg.inv(L)  # v = mode + L'^-1 x has covariance H^-1
        points, log_w = self.grid() if rng is None else self.even_grid()
        moved = np.zeros((len(u), self.groups, self.q))
        if rng is not None:
            moved = rng.uniform(0, READ_STEP * self.q, moved.shape)
        logs = np.empty((len(u), self.groups, len(points)))
        places = np.empty((len(u), self.groups, len(points), self.q))
        scale = -np.log(np.einsum("sgii->sgi", L)).sum(-1)
        for k in range(len(points)):
            at = v + np.einsum("sgji,sgj->sgi", inverse, points[k] + moved)
            total = eta + np.einsum("snr,snr->sn", T, at[:, self.group])
            value = self.sums(self.row_likelihood(total, s)) - (at * at) @ self.prior / 2
            logs[..., k] = value + log_w[k] + scale
            places[..., k, :] = at
        return logs, places, root, log_prior

    def log_density(self, u):
        """Log posterior density of the coordinates, up to a constant.

        Beyond sds of 100 and 40 sds of a coefficient a steep slope in its place: a search may
        step there, and nothing lies there.
        """
        near = self.within_reach(u)
        return self._log_density(near) - 10 * ((u - near) ** 2).sum(axis=1)

    def with_zeros(self, sds):
        """Log density where all but the sds' coordinates are zero."""
        return self.log_density(np.pad(sds, ((0, 0), (0, self.dimension - sds.shape[1]))))

    def within_reach(self, u):
        reach = np.full(self.dimension, 40.0)
        reach[self.folded] = np.arcsinh(100 / SCALE)
        return np.clip(u, -reach, reach)

    def _log_density(self, u):
        logs, _, _, log_prior = self.node_logs(u)
        return log_prior + special.logsumexp(logs, axis=2).sum(axis=1)

    def recentre(self, u):
        """Make this point, with its groups at their mode, the one of reference; it in the new."""
        x, root, _, s = self.pieces(u[None])
        v, _, T, eta = self.modes(x, root, s, steps=100)
        eta = eta + np.einsum("snr,snr->sn", T, v[:, self.group])
        mu, w = self.mean_weight(eta, s)
        self.refer(eta[0], mu[0], w[0])
        out = u.copy()
        if self.U.shape[1]:
            L, mean, scale = self.standardised(u[None])
            out[sum(self.sizes[:2]) :] = L[0].T @ (x[0] / scale[0] - mean[0])
        return out

    def chunk(self):
        nodes = len(self.x) ** self.q
        rows = len(self.y) * (2 + ROW_NODES * self.row_effect)
        columns = self.groups * self.q * self.U.shape[1]
        return max(1, int(4e6 / max(rows, self.groups * nodes * self.q, columns)))

    def effects(self, u, log_weights, column, points=4096, seed=5, shift=None):
        """Means, sds and quantiles of groups: the effect of a column, plus X-combination shift.

        shift : array (groups, columns of U) or None
            Rows of weights of coefficients and further effects that are added to the deviation.
        """
        chosen = self.resampled(u, log_weights, points, seed)
        rng = np.random.default_rng([seed, 1])
        chunk = max(1, self.chunk() * len(self.x) ** self.q // len(self.even_grid()[0]))
        values, shares = [], []
        for i in range(0, points, chunk):
            part = chosen[i : i + chunk]
            logs, places, root, _ = self.node_logs(part, rng)
            logs -= special.logsumexp(logs, axis=2, keepdims=True)
            value = np.einsum("sgkq,sq->sgk", places, root[:, column])
            if shift is not None:
                value += (self.fixed(part)[0] @ shift.T)[:, :, None]
            values.append(np.swapaxes(value, 0, 1).reshape(self.groups, -1))
            shares.append(np.swapaxes(np.exp(logs), 0, 1).reshape(self.groups, -1))
        value, share = (np.concatenate(x, axis=1) for x in (values, shares))
        out = []
        for x, s in zip(value, share, strict=True):
            s = s / s.sum()
            mean = s @ x
            out.append([mean, np.sqrt(s @ (x - mean) ** 2), *weighted_quantiles(x, s)])
        return np.array(out)

    def resampled(self, u, log_weights, points, seed):
        """Systematic draws of equal weight."""
        w = normalised(log_weights.ravel())
        at = (np.arange(points) + np.random.default_rng(seed).random()) / points
        pick = np.searchsorted(np.cumsum(w), at * (1 - 1e-12))
        return u.reshape(-1, u.shape[-1])[pick]

    def whole_rows(self, u, log_weights, which, points=1024, seed=5):
        """Numbers of eta of some rows, effects of group and row included."""
        chosen = self.resampled(u, log_weights, points, seed)
        values, shares = [], []
        rng = np.random.default_rng([seed, 1])
        for i in range(0, points, 64):
            part = chosen[i : i + 64]
            x, _, _, s = self.pieces(part)
            logs, places, root, _ = self.node_logs(part, rng)
            eta = self.offset + x @ self.U.T
            logs -= special.logsumexp(logs, axis=2, keepdims=True)
            T = np.einsum("nq,sqr->snr", self.Z, root)
            at_nodes = np.einsum("snr,snkr->snk", T, places[:, self.group]) + eta[..., None]
            for k in range(logs.shape[2]):
                row_logs, z = self.row_node_logs(at_nodes[..., k], s, rng)
                row_logs -= special.logsumexp(row_logs, axis=0)
                share = np.exp(row_logs + logs[:, self.group, k])
                values.append((at_nodes[..., k] + s * z)[:, :, which].reshape(-1, len(which)))
                shares.append(share[:, :, which].reshape(-1, len(which)))
        value, share = np.concatenate(values), np.concatenate(shares)
        out = []
        for x, w in zip(value.T, share.T, strict=True):
            mean = w @ x / w.sum()
            sd = np.sqrt(w @ (x - mean) ** 2 / w.sum())
            out.append([mean, sd, *weighted_quantiles(x, w)])
        return np.array(out)

    def start(self):
        """Sds of 0.5; reference: rows' effects of groups by a penalised fit."""
        u = np.zeros(self.dimension)
        u[self.folded] = np.arcsinh(0.5 / SCALE)
        p = self.sizes[2]
        own = np.zeros((len(self.y), self.groups * self.q))
        for i in range(self.q):
            own[np.arange(len(self.y)), self.group * self.q + i] = self.Z[:, i]
        X = np.column_stack([self.U, own])
        penalty = np.ones(X.shape[1])
        penalty[:p] = self.beta_precision + 1e-3
        centre = np.r_[self.beta_mean, np.zeros(X.shape[1] - p)]
        x = np.zeros(X.shape[1])
        for _ in range(50):
            mu, w = self.mean_weight(self.offset + X @ x)
            A = (X * w[:, None]).T @ X + np.diag(penalty)
            move = np.linalg.solve(A, X.T @ (self.y - mu) - penalty * (x - centre))
            x += move * min(1, 2 / np.abs(X @ move).max(initial=1e-300))
        eta = self.offset + X @ x
        self.refer(eta, *self.mean_weight(eta))
        return u

    def sds(self, u):
        """Points of all sds, those of the groups first."""
        return [sd_of(u[..., i], SCALE)[0] for i in self.folded]

    def correlation(self, u, i=1, j=0):
        own = self.parts(u)[0]
        root, _ = covariance_root(own, self.random, [flat] * self.random, 1.0, SCALE)
        return correlations(root)[i, j]
