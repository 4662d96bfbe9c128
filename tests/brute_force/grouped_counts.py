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
        matched=None,
    ):
        self.y, self.X, self.Z = np.asarray(y, float), np.asarray(X, float), np.asarray(Z, float)
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
        self.k = self.random + len(self.extra)
        self.sd_priors = sd_priors or [flat] * self.k
        p = self.X.shape[1]
        self.beta_mean = np.zeros(p) if beta_mean is None else np.asarray(beta_mean, float)
        sd = np.full(p, np.inf) if beta_sd is None else np.asarray(beta_sd, float)
        self.beta_precision = 1 / sd**2
        self.eta_lkj = eta
        x, w = np.polynomial.hermite_e.hermegauss(nodes)
        self.x, self.log_w = x, np.log(w) - 0.5 * np.log(2 * np.pi) + x * x / 2
        self.sizes = (size(self.random), len(self.extra), p, sum(self.extra_levels))
        self.dimension = sum(self.sizes)
        self.centre = np.zeros((self.groups, self.q))
        self.matched = matched or [None] * self.k
        self.beta_centre, self.beta_scale = np.zeros(p), np.ones(p)
        self.folded = [*range(self.random), *range(self.sizes[0], sum(self.sizes[:2]))]

    def parts(self, u):
        cuts = np.cumsum(self.sizes)[:-1]
        return np.split(u, cuts, axis=1)

    def beta(self, u):
        """Coefficients and the log jacobian of their coordinates.

        A coefficient whose column varies by group is less certain the larger that sd: its
        coordinate is in units of (scale^2 + sum tau^2 / groups)^(1/2), centred at the start.
        """
        e = self.parts(u)[2]
        square = np.broadcast_to(self.beta_scale**2, e.shape).copy()
        levels = [self.groups] * self.random + self.extra_levels
        for sd, k, n in zip(self.sds(u), self.matched, levels, strict=True):
            if k is not None:
                square[:, k] += sd**2 / n
        return self.beta_centre + e * np.sqrt(square), np.log(square).sum(axis=1) / 2

    def pieces(self, u):
        """eta without v, root of v's covariance, log prior of everything but v."""
        own, logs, _, r = self.parts(u)
        beta, log_jacobian = self.beta(u)
        priors = self.sd_priors[: self.random]
        root, log_prior = covariance_root(own, self.random, priors, self.eta_lkj, SCALE)
        full = np.zeros((len(u), self.q, self.q))
        full[:, : self.flat_columns, : self.flat_columns] = np.eye(self.flat_columns)
        full[:, self.flat_columns :, self.flat_columns :] = root
        eta = self.offset + beta @ self.X.T
        log_prior = log_prior + log_jacobian
        log_prior = log_prior - ((beta - self.beta_mean) ** 2 @ self.beta_precision) / 2
        at = 0
        for t, (g, levels) in enumerate(zip(self.extra, self.extra_levels, strict=True)):
            tau, log_jacobian = sd_of(logs[:, t], SCALE)
            effects = r[:, at : at + levels]
            eta = eta + tau[:, None] * effects[:, g]
            log_prior = log_prior + log_jacobian + self.sd_priors[self.random + t](tau)
            log_prior = log_prior - (effects**2).sum(axis=1) / 2
            at += levels
        return eta, full, log_prior

    def mean_weight(self, eta):
        if self.trials is None:
            mu = np.exp(np.minimum(eta, 50))
            return mu, mu
        p = special.expit(eta)
        return self.trials * p, self.trials * p * (1 - p)

    def row_likelihood(self, eta):
        if self.trials is None:
            return self.y * eta - np.exp(np.minimum(eta, 300))
        return self.y * eta - self.trials * np.logaddexp(0, eta)

    def sums(self, x):
        return np.add.reduceat(x, self.first, axis=-1)

    def modes(self, eta, root, steps=8):
        """Newton on v; any centre is right that is near enough for the quadrature."""
        S = len(eta)
        T = np.einsum("nq,sqr->snr", self.Z, root)
        v = np.broadcast_to(self.centre, (S, self.groups, self.q)).copy()
        prior = np.r_[np.zeros(self.flat_columns), np.ones(self.random)]
        for step in range(steps + 1):
            total = eta + np.einsum("snr,snr->sn", T, v[:, self.group])
            mu, w = self.mean_weight(total)
            H = np.empty((S, self.groups, self.q, self.q))
            for i in range(self.q):
                for j in range(i + 1):
                    H[..., i, j] = H[..., j, i] = self.sums(w * T[..., i] * T[..., j])
            H[..., range(self.q), range(self.q)] += prior
            if step == steps:
                break
            g = np.stack([self.sums((self.y - mu) * T[..., i]) for i in range(self.q)], -1)
            move = np.linalg.solve(H, (g - prior * v)[..., None])[..., 0]
            length = np.abs(move).max(axis=-1, keepdims=True)
            v += move * np.minimum(1, 3 / np.maximum(length, 1e-300))
        return v, H, T, prior

    def grid(self):
        """Tensor of the one-dimensional rule: points (nodes^q, q), log weights."""
        axes = np.meshgrid(*[self.x] * self.q, indexing="ij")
        logs = np.meshgrid(*[self.log_w] * self.q, indexing="ij")
        return np.stack([a.ravel() for a in axes], -1), sum(a.ravel() for a in logs)

    def node_logs(self, u):
        """Log of weight x integrand of every node of every group, and the nodes."""
        eta, root, log_prior = self.pieces(u)
        v, H, T, prior = self.modes(eta, root)
        L = np.linalg.cholesky(H)
        inverse = np.linalg.inv(L)  # v = mode + L'^-1 x has covariance H^-1
        x, log_w = self.grid()
        logs = np.empty((len(u), self.groups, len(x)))
        places = np.empty((len(u), self.groups, len(x), self.q))
        scale = -np.log(np.einsum("sgii->sgi", L)).sum(-1)
        for k in range(len(x)):
            at = v + np.einsum("sgji,j->sgi", inverse, x[k])
            total = eta + np.einsum("snr,snr->sn", T, at[:, self.group])
            value = self.sums(self.row_likelihood(total)) - (at * at) @ prior / 2
            logs[..., k] = value + log_w[k] + scale
            places[..., k, :] = at
        return logs, places, root, log_prior

    def log_density(self, u):
        logs, _, _, log_prior = self.node_logs(u)
        return log_prior + special.logsumexp(logs, axis=2).sum(axis=1)

    def recentre(self, u):
        """Start the modes of groups from those at one point."""
        eta, root, _ = self.pieces(u[None])
        self.centre = self.modes(eta, root, steps=60)[0][0]

    def chunk(self):
        nodes = len(self.x) ** self.q
        return max(1, int(4e6 / max(len(self.y) * 2, self.groups * nodes * self.q)))

    def effects(self, u, log_weights, column, points=4096, seed=5, shift=None):
        """Means, sds and quantiles of groups: the effect of a column, plus X-combination shift.

        shift : array (groups, p) or None
            Rows of coefficients' weights that are added to the deviation.
        """
        w = normalised(log_weights.ravel())
        rng = np.random.default_rng(seed)
        at = (np.arange(points) + rng.random()) / points
        pick = np.searchsorted(np.cumsum(w), at * (1 - 1e-12))
        chosen = u.reshape(-1, u.shape[-1])[pick]
        values, shares = [], []
        for i in range(0, points, self.chunk()):
            part = chosen[i : i + self.chunk()]
            logs, places, root, _ = self.node_logs(part)
            logs -= special.logsumexp(logs, axis=2, keepdims=True)
            value = np.einsum("sgkq,sq->sgk", places, root[:, column])
            if shift is not None:
                value += (self.beta(part)[0] @ shift.T)[:, :, None]
            values.append(np.swapaxes(value, 0, 1).reshape(self.groups, -1))
            shares.append(np.swapaxes(np.exp(logs), 0, 1).reshape(self.groups, -1))
        value, share = (np.concatenate(x, axis=1) for x in (values, shares))
        out = []
        for x, s in zip(value, share, strict=True):
            s = s / s.sum()
            mean = s @ x
            out.append([mean, np.sqrt(s @ (x - mean) ** 2), *weighted_quantiles(x, s)])
        return np.array(out)

    def start(self):
        """Sds of 0.5, beta from a penalised fit without groups."""
        u = np.zeros(self.dimension)
        u[self.folded] = np.arcsinh(0.5 / SCALE)
        p = self.sizes[2]
        beta = np.zeros(p)
        for _ in range(50):
            mu, w = self.mean_weight(self.offset + self.X @ beta)
            A = (self.X * w[:, None]).T @ self.X + np.diag(self.beta_precision + 1e-3)
            g = self.X.T @ (self.y - mu) - self.beta_precision * (beta - self.beta_mean)
            move = np.linalg.solve(A, g)
            beta += move * min(1, 2 / max(np.abs(move).max(), 1e-300)) if p else move
        self.beta_centre = beta
        if p:
            self.beta_scale = np.sqrt(np.diag(np.linalg.inv(A)))
        return u

    def sds(self, u):
        """Points of all sds, those of the groups first."""
        return [sd_of(u[..., i], SCALE)[0] for i in self.folded]

    def correlation(self, u, i=1, j=0):
        own = self.parts(u)[0]
        root, _ = covariance_root(own, self.random, [flat] * self.random, 1.0, SCALE)
        return correlations(root)[i, j]
