"""Long importance sampling of any log density, and weighted summaries with their error."""

from __future__ import annotations

import itertools

import numpy as np
from scipy import optimize, special
from scipy.stats import qmc

PROBABILITIES = np.array([0.025, 0.5, 0.975])
DEGREES = 5.0
"""Of the t proposals in up to eight dimensions: tails of sds' coordinates fall exponentially, so
all weights stay bounded. In d more dimensions as many degrees: the radius of five degrees spreads
too far there (34 dimensions: effective share 0.02 in place of 0.3)."""


def gradient(log_density, u, step=1e-4):
    each = np.eye(len(u)) * step
    values = log_density(np.concatenate([u + each, u - each]))
    return (values[: len(u)] - values[len(u) :]) / (2 * step)


def curvature(log_density, u, step=5e-3):
    """Hessian by central differences of gradients."""
    rows = [
        (gradient(log_density, u + e) - gradient(log_density, u - e)) / (2 * step)
        for e in np.eye(len(u)) * step
    ]
    return (np.array(rows) + np.array(rows).T) / 2


def mode(log_density, start):
    def objective(u):
        value = float(log_density(u[None])[0])
        return -value, -gradient(log_density, u)

    return optimize.minimize(objective, start, jac=True, method="BFGS", options={"gtol": 1e-3}).x


class Mixture:
    """Mixture of multivariate t, as a proposal; folded coordinates are made positive."""

    def __init__(self, shares, means, covariances, folded=()):
        self.folded = list(folded)
        d = len(means[0])
        self.degrees = DEGREES if d <= 8 else float(max(DEGREES, d))
        self.shares = np.asarray(shares) / np.sum(shares)
        self.means, self.roots = means, [np.linalg.cholesky(c) for c in covariances]

    def points(self, n, seed):
        d = len(self.means[0])
        u = qmc.Sobol(d + 2, seed=seed).random(n)
        u = np.clip(u, 1e-12, 1 - 1e-12)
        g = 2 * special.gammaincinv(self.degrees / 2, u[:, d]) / self.degrees
        z = special.ndtri(u[:, :d]) / np.sqrt(g)[:, None]
        which = np.searchsorted(np.cumsum(self.shares)[:-1], u[:, d + 1])
        out = np.empty((n, d))
        for k, (mean, root) in enumerate(zip(self.means, self.roots, strict=True)):
            out[which == k] = mean + z[which == k] @ root.T
        out[:, self.folded] = np.abs(out[:, self.folded])
        return out

    def log_density(self, u):
        """All points that fold onto u are counted."""
        parts = []
        for signs in itertools.product([1.0, -1.0], repeat=len(self.folded)):
            mirrored = u.copy()
            mirrored[:, self.folded] *= signs
            parts.append(self.unfolded(mirrored))
        return special.logsumexp(parts, axis=0)

    def unfolded(self, u):
        d, parts, df = u.shape[1], [], self.degrees
        for share, mean, root in zip(self.shares, self.means, self.roots, strict=True):
            z = np.linalg.solve(root, (u - mean).T)
            log_kernel = -(df + d) / 2 * np.log1p((z * z).sum(axis=0) / df)
            parts.append(np.log(share) + log_kernel - np.log(np.diag(root)).sum())
        constant = special.gammaln((df + d) / 2) - special.gammaln(df / 2)
        return special.logsumexp(parts, axis=0) + constant - d / 2 * np.log(df * np.pi)


def normalised(log_weights):
    w = np.exp(log_weights - log_weights.max())
    return w / w.sum()


def in_chunks(log_density, u, chunk):
    return np.concatenate([log_density(u[i : i + chunk]) for i in range(0, len(u), chunk)])


def proposal(log_density, start, seed, pilot=2048, rounds=4, chunk=1024, folded=(), free=None):
    """t at the mode, then t's fitted to weighted pilots; the one at the mode keeps a share."""
    start = np.asarray(start, dtype=float)
    free = len(start) if free is None else free  # further coordinates are standard normal already

    def first_ones(u):
        return log_density(np.column_stack([u, np.tile(start[free:], (len(u), 1))]))

    top = np.r_[mode(first_ones, start[:free]), start[free:]]
    top[list(folded)] = np.abs(top[list(folded)])
    values, vectors = np.linalg.eigh(-curvature(first_ones, top[:free]))
    first = np.eye(len(top))
    first[:free, :free] = (vectors / np.maximum(values, 0.05)) @ vectors.T
    mixture = Mixture([1.0], [top], [1.5 * first], folded)
    for r in range(rounds):
        u = mixture.points(pilot, seed + r)
        log_w = in_chunks(log_density, u, chunk) - mixture.log_density(u)
        w = normalised(log_w)
        w = np.minimum(w, np.sort(w)[-max(10, len(w) // 200)])  # no single point decides
        w /= w.sum()
        mean = w @ u
        spread = (u - mean).T @ ((u - mean) * w[:, None])
        spread += first * (len(u[0]) + 1) * (w**2).sum()
        wider = np.ones(len(top))
        wider[list(folded)] = 2.0  # sds have the longest tails
        covariances = [spread * 0.9, 1.5 * first, spread * np.outer(wider, wider)]
        mixture = Mixture([0.65, 0.15, 0.2], [mean, top, mean], covariances, folded)
    return mixture


def importance_sample(log_density, start, n, seed=1, scrambles=16, chunk=1024, **options):
    """Points and log weights, (scrambles, n / scrambles, ...): each scramble stands alone."""
    mixture = proposal(log_density, start, seed, chunk=chunk, **options)
    each = n // scrambles
    u = np.stack([mixture.points(each, seed + 1000 + s) for s in range(scrambles)])
    flat = u.reshape(-1, u.shape[-1])
    log_w = in_chunks(log_density, flat, chunk) - mixture.log_density(flat)
    return u, log_w.reshape(scrambles, each)


def effective_share(log_weights):
    w = normalised(log_weights.ravel())
    return 1 / (w**2).sum() / w.size


def weighted_quantiles(x, w, probabilities=PROBABILITIES):
    order = np.argsort(x)
    x, w = x[order], w[order]
    middle = np.cumsum(w) - w / 2
    return np.interp(probabilities, middle / w.sum(), x)


def numbers(x, w):
    """Mean, sd and 2.5, 50, 97.5% of weighted points."""
    w = w / w.sum()
    mean = w @ x
    return np.array([mean, np.sqrt(w @ (x - mean) ** 2), *weighted_quantiles(x, w)])


NAMES = ("mean", "sd", "lower", "median", "upper")


def summary(x, weights):
    """Numbers of all points; error: standard error of each from the scrambles (or batches)."""
    whole = numbers(x.ravel(), weights.ravel())
    each = np.array([numbers(a, w) for a, w in zip(x, weights, strict=True)])
    error = each.std(axis=0, ddof=1) / np.sqrt(len(each))
    return {
        **dict(zip(NAMES, map(float, whole), strict=True)),
        "error": dict(zip(NAMES, map(float, error), strict=True)),
    }
