"""Posterior of a linear mixed model from its definition, by dense algebra.

    y = X beta + Z b + e,  b ~ N(0, Sigma(phi)),  e ~ N(0, sigma^2)

With flat priors on beta and on every sd and 1 / sigma on sigma, sigma integrates out: with
relative sds lambda = tau / sigma, V = I + Z Lam Lam' Z', k sds and p coefficients

    p(lambda, rho | y) ~ p(rho) |V|^(-1/2) |X' V^-1 X|^(-1/2) Q^(-(N - p - k) / 2)

and beta, b are Student t with nu = N - p - k degrees and Q / nu times the usual covariance. With
any other prior sigma is one more number to integrate over and everything else is normal.
"""

from __future__ import annotations

import numpy as np
from scipy import special

from brute_force.coordinates import correlations, covariance_root, flat, sd_of, size
from brute_force.sampling import NAMES, PROBABILITIES, normalised


class LinearMixed:
    """Terms are (level of each row, columns of the term at each row)."""

    def __init__(
        self,
        y,
        X,
        terms,
        *,
        sd_priors=None,
        beta_mean=None,
        beta_sd=None,
        sigma=None,
        eta=1.0,
        scale=None,
    ):
        self.y, self.X = np.asarray(y, float), np.asarray(X, float)
        self.terms = [(np.asarray(g), np.asarray(z, float)) for g, z in terms]
        self.columns = [z.shape[1] for _, z in self.terms]
        self.levels = [int(g.max()) + 1 for g, _ in self.terms]
        self.k = sum(self.columns)
        self.closed = sd_priors is None and sigma is None and beta_sd is None
        self.sd_priors = sd_priors or [flat] * self.k
        self.sigma = sigma or (lambda s: -np.log(s))
        p = self.X.shape[1]
        self.beta_mean = np.zeros(p) if beta_mean is None else np.asarray(beta_mean, float)
        sd = np.full(p, np.inf) if beta_sd is None else np.asarray(beta_sd, float)
        self.beta_precision = 1 / sd**2
        self.eta, self.scale = eta, scale
        sizes = [size(q) for q in self.columns]
        starts = np.cumsum([0, *sizes[:-1]])
        self.sd_places = [
            a + i for a, q in zip(starts, self.columns, strict=True) for i in range(q)
        ]
        self.folded = self.sd_places if scale else []
        blocks = []
        for (g, z), levels in zip(self.terms, self.levels, strict=True):
            one = np.zeros((len(self.y), levels, z.shape[1]))
            one[np.arange(len(self.y)), g] = z
            blocks.append(one.reshape(len(self.y), -1))
        self.W = np.concatenate([*blocks, self.X], axis=1)
        self.gram, self.right = self.W.T @ self.W, self.W.T @ self.y
        self.dimension = sum(map(size, self.columns)) + (not self.closed)
        self.nu = len(self.y) - p - self.k

    def start(self):
        u = np.zeros(self.dimension)
        u[self.sd_places] = np.arcsinh(1 / self.scale) if self.scale else 0.0
        if not self.closed:
            residual = self.y - self.X @ np.linalg.lstsq(self.X, self.y)[0]
            u[-1] = np.log(residual.std()) - 0.3
        return u

    def roots(self, u):
        """Root of each term's covariance (relative to sigma if that is integrated out)."""
        at, roots, log_prior, sd_at = 0, [], 0.0, 0
        for q in self.columns:
            priors = self.sd_priors[sd_at : sd_at + q]
            root, term = covariance_root(u[:, at : at + size(q)], q, priors, self.eta, self.scale)
            roots.append(root)
            log_prior = log_prior + term
            at, sd_at = at + size(q), sd_at + q
        return roots, log_prior

    def system(self, u):
        """Normal equations of (v, beta), b = Lam v, at each point: lower root and right side."""
        roots, log_prior = self.roots(u)
        points, M = len(u), self.W.shape[1]
        scale = np.ones(points) if self.closed else np.exp(-2 * u[:, -1])
        A = np.broadcast_to(self.gram, (points, M, M)) * scale[:, None, None]
        b = self.right * scale[:, None]
        at = 0
        for root, levels, q in zip(roots, self.levels, self.columns, strict=True):
            part = slice(at, at + levels * q)
            turned = np.swapaxes(root, 1, 2)[:, None]
            rows = turned @ A[:, part].reshape(points, levels, q, M)
            A[:, part] = rows.reshape(points, levels * q, M)
            columns = A[:, :, part].reshape(points, M, levels, q) @ root[:, None]
            A[:, :, part] = columns.reshape(points, M, levels * q)
            right = b[:, part].reshape(points, levels, q)
            b[:, part] = np.einsum("sba,slb->sla", root, right).reshape(points, -1)
            at += levels * q
        i = np.arange(M)
        A[:, i[:at], i[:at]] += 1.0
        A[:, i[at:], i[at:]] += self.beta_precision
        b[:, at:] += self.beta_precision * self.beta_mean
        return np.linalg.cholesky(A), b, roots, log_prior, scale

    def log_density(self, u):
        """Log posterior density of the coordinates, up to a constant.

        Nothing lies where an sd is e^14 times its scale or sigma e^8 times the residuals' sd, and
        double precision ends there; a steep slope in its place, where a search may step.
        """
        reach = np.full(self.dimension, 14.0)
        reach[-1] = 14.0 if self.closed else 8.0
        near = self.start() + np.clip(u - self.start(), -reach, reach)
        return self.evaluated(near)[0] - 10 * ((u - near) ** 2).sum(axis=1)

    def evaluated(self, u):
        L, b, roots, log_prior, scale = self.system(u)
        half = np.linalg.solve(L, b[..., None])[..., 0]
        fit = (half * half).sum(axis=1)
        value = log_prior - np.log(np.einsum("sii->si", L)).sum(axis=1)
        N = len(self.y)
        if self.closed:
            Q = self.y @ self.y - fit
            value = value - self.nu / 2 * np.log(Q)
        else:
            Q = np.ones(len(u))
            value = value - (self.y @ self.y * scale - fit) / 2 - N * u[:, -1]
            value = value + u[:, -1] + self.sigma(np.exp(u[:, -1]))
        return value, L, half, roots, Q

    def conditionals(self, u, combinations):
        """Mean and scale, at each point, of linear combinations of (b of each term, beta)."""
        _, L, half, roots, Q = self.evaluated(u)
        points, M = len(u), self.W.shape[1]
        C = np.broadcast_to(combinations, (points, *combinations.shape)).copy()
        at = 0
        for root, levels, q in zip(roots, self.levels, self.columns, strict=True):
            part = slice(at, at + levels * q)
            block = C[:, :, part].reshape(points, -1, levels, q) @ root[:, None]
            C[:, :, part] = block.reshape(points, -1, levels * q)
            at += levels * q
        S = np.linalg.solve(L, np.swapaxes(C, 1, 2))
        assert S.shape[1] == M
        mean = np.einsum("smk,sm->sk", S, half)
        spread = np.sqrt(np.einsum("smk,smk->sk", S, S))
        if self.closed:
            spread = spread * np.sqrt(Q / self.nu)[:, None]
        return mean, spread, roots, Q

    def deviation_variance(self, roots, Q, term, z):
        """Variance, relative or not as the roots are, of a new group's z'b."""
        part = np.einsum("q,sqr->sr", z, roots[term])
        return (part * part).sum(axis=1)


def lattice(log_density, start, steps, drop=16.0, chunk=2048, reach=13.0):
    """All points of a grid, reached from the start, where the density is above max - drop.

    None further than reach from the start in any coordinate: sds by a factor of e^13, where
    double precision ends.
    """
    d = len(start)
    base = 4096
    unit = base ** np.arange(d)
    frontier = np.zeros((1, d), dtype=np.int64)
    known = np.array([], dtype=np.int64)
    cells, values, top = [], [], -np.inf
    moves = np.concatenate([np.eye(d, dtype=np.int64), -np.eye(d, dtype=np.int64)])
    while len(frontier):
        u = start + frontier * steps
        v = np.concatenate([log_density(u[i : i + chunk]) for i in range(0, len(u), chunk)])
        cells.append(frontier)
        values.append(v)
        top = max(top, v.max())
        keys = (frontier + base // 2) @ unit
        known = np.union1d(known, keys)
        grown = (frontier[v > top - drop][:, None] + moves).reshape(-1, d)
        grown = grown[(np.abs(grown * steps) <= reach).all(axis=1)]
        keys, first = np.unique((grown + base // 2) @ unit, return_index=True)
        new = ~np.isin(keys, known)
        frontier = grown[first[new]]  # and so on until nothing is left above the threshold
    cells, values = np.concatenate(cells), np.concatenate(values)
    near = values > top - drop
    return start + cells[near] * steps, normalised(values[near])


T_GRID = np.concatenate([-np.logspace(7, 1.5, 4000), np.linspace(-31.6, 31.6, 60001)])
T_GRID = np.unique(np.concatenate([T_GRID, -T_GRID]))


def distribution_function(nu):
    """Of a standard t (normal if nu is None), by interpolation in a fine table."""
    if nu is None:
        return special.ndtr
    table = special.stdtr(nu, T_GRID)
    return lambda z: np.interp(z, T_GRID, table)


def mixture_quantiles(w, mean, spread, cdf, probabilities=PROBABILITIES):
    """Of mixtures, columns of mean and spread, by bisection."""
    out = np.empty((mean.shape[1], len(probabilities)))
    for k in range(mean.shape[1]):
        m, s = mean[:, k], spread[:, k]
        low = np.full(len(probabilities), (m - 2 * s).min() - 40 * (w @ s))
        high = np.full(len(probabilities), (m + 2 * s).max() + 40 * (w @ s))
        for _ in range(60):
            middle = (low + high) / 2
            below = np.array([w @ cdf((x - m) / s) for x in middle]) < probabilities
            low, high = np.where(below, middle, low), np.where(below, high, middle)
            if (high - low).max() < 1e-7 * (w @ s):
                break
        out[k] = (low + high) / 2
    return out


def scaled_chi_quantiles(w, Q, nu, factor, probabilities=PROBABILITIES):
    """Of factor * sigma, sigma^2 = Q / chi^2_nu at each point."""
    low = np.zeros(len(probabilities))
    high = np.full(len(probabilities), 1e6 * np.sqrt(Q.max() / nu) * max(1.0, np.median(factor)))
    for _ in range(200):
        middle = (low + high) / 2
        x = factor[:, None] ** 2 * (Q / 2)[:, None] / middle**2
        below = w @ special.gammaincc(nu / 2, x) < probabilities
        low, high = np.where(below, middle, low), np.where(below, high, middle)
        if (high - low).max() < 1e-9 * high.max():
            break
    return (low + high) / 2


def marginal_quantiles(grid_values, w, back, probabilities=PROBABILITIES):
    """Of one coordinate of a lattice: a cubic spline of the log density, cumulated."""
    from scipy.interpolate import CubicSpline

    x, index = np.unique(np.round(grid_values, 9), return_inverse=True)
    mass = np.bincount(index, weights=w)
    log_density = CubicSpline(x, np.log(mass))
    fine = np.linspace(x[0], x[-1], 20001)
    density = np.exp(log_density(fine))
    total = np.cumsum(density) - density / 2
    return back(np.interp(probabilities, total / density.sum(), fine))


def lattice_scale_quantiles(axis, w, Q, nu, probabilities=PROBABILITIES):
    """Of exp(axis) * sigma on a lattice whose step may be wider than sigma's posterior.

    At fixed d = log x - axis the distribution function of log sigma, summed over the other axes,
    is smooth in the axis: it is tabulated in (axis, d) and summed along log x = axis + d.
    """
    from scipy.interpolate import CubicSpline, RectBivariateSpline

    a, index = np.unique(np.round(axis, 9), return_inverse=True)
    centre = 0.5 * np.log(Q / nu)
    near = w > 1e-9
    reach = 9 / np.sqrt(2 * nu) + 0.02
    d = np.linspace(centre[near].min() - reach, centre[near].max() + 2 * reach, 161)
    table = np.zeros((len(a), len(d)))
    for i in range(0, len(w), 4096):
        part = slice(i, i + 4096)
        F = special.gammaincc(nu / 2, (Q[part] / 2)[:, None] * np.exp(-2 * d))
        np.add.at(table, index[part], F * w[part, None])
    mass = np.bincount(index, weights=w)
    spline = RectBivariateSpline(a, d, table / mass[:, None], kx=3, ky=3)
    fine = np.linspace(a[0], a[-1], 20 * len(a))
    density = np.exp(CubicSpline(a, np.log(mass))(fine)) * (fine[1] - fine[0]) / (a[1] - a[0])

    def below(log_x):
        at = np.clip(log_x - fine, d[0], d[-1])
        return density @ spline(fine, at, grid=False)

    out = []
    for p in probabilities * below(a[-1] + d[-1] + 1):
        low, high = a[0] + d[0], a[-1] + d[-1]
        for _ in range(50):
            middle = (low + high) / 2
            low, high = (middle, high) if below(middle) < p else (low, middle)
        out.append(np.exp(middle))
    return np.array(out)


def thinned(w, total=1e-9):
    """Points without the lightest: 1e-6 would lose a hundredth of an sd with five groups."""
    order = np.argsort(w)
    stay = order[np.searchsorted(np.cumsum(w[order]), total) :]
    return np.sort(stay)


class LinearTruth:
    """Weighted points of the hyperparameters with exact conditionals: every printed number."""

    def __init__(self, model, u, w):
        keep = thinned(w)
        self.model, self.u, self.w = model, u[keep], w[keep] / w[keep].sum()
        self.cdf = distribution_function(model.nu if model.closed else None)

    def combinations(self, C, chunk=512):
        """Mean, sd and ends of linear combinations of (b, beta), rows of C."""
        parts = [
            self.model.conditionals(self.u[i : i + chunk], C)[:2]
            for i in range(0, len(self.u), chunk)
        ]
        mean, spread = (np.concatenate(p) for p in zip(*parts, strict=True))
        return self.of_mixture(mean, spread)

    def of_mixture(self, mean, spread):
        nu = self.model.nu
        inner = spread**2 * (nu / (nu - 2) if self.model.closed else 1.0)
        m = self.w @ mean
        sd = np.sqrt(self.w @ (inner + (mean - m) ** 2))
        ends = mixture_quantiles(self.w, mean, spread, self.cdf)
        return [
            dict(zip(NAMES, map(float, row), strict=True)) for row in np.column_stack([m, sd, ends])
        ]

    def new_group(self, C, term, z, chunk=512):
        """Linear combination C of beta plus z'b of a group not in the data."""
        means, spreads = [], []
        for i in range(0, len(self.u), chunk):
            part = self.u[i : i + chunk]
            mean, spread, roots, Q = self.model.conditionals(part, C[None])
            extra = self.model.deviation_variance(roots, Q, term, np.asarray(z, float))
            if self.model.closed:
                extra = extra * Q / self.model.nu
            means.append(mean)
            spreads.append(np.sqrt(spread**2 + extra[:, None]))
        return self.of_mixture(np.concatenate(means), np.concatenate(spreads))[0]

    def hyperparameters(self, names):
        """Of each sd (names in order), sigma last, and correlations (lattice or points)."""
        model, out, at, sd_at = self.model, {}, 0, 0
        Q = np.concatenate(
            [model.evaluated(self.u[i : i + 2048])[4] for i in range(0, len(self.u), 2048)]
        )
        for q in model.columns:
            for i in range(q):
                factor = sd_of(self.u[:, at + i], model.scale)[0]
                out[names[sd_at + i]] = self.scale_numbers(factor, Q)
            at, sd_at = at + size(q), sd_at + q
        if model.closed:
            out["sigma"] = self.scale_numbers(np.ones(len(self.u)), Q)
        else:
            out["sigma"] = self.point_numbers(np.exp(self.u[:, -1]), self.u[:, -1], np.exp)
        return out

    def scale_numbers(self, factor, Q):
        if not self.model.closed:
            return self.point_numbers(factor, np.log(factor), np.exp)
        nu = self.model.nu
        log_first = special.gammaln((nu - 1) / 2) - special.gammaln(nu / 2) - np.log(2) / 2
        mean = self.w @ (factor * np.sqrt(Q)) * np.exp(log_first)
        square = self.w @ (factor**2 * Q) / (nu - 2)
        axis = np.log(factor)
        if 2 < len(np.unique(np.round(axis, 9))) < 2000:
            ends = lattice_scale_quantiles(axis, self.w, Q, nu)
        else:
            ends = scaled_chi_quantiles(self.w, Q, nu, factor)
        values = [mean, np.sqrt(square - mean**2), *ends]
        return dict(zip(NAMES, map(float, values), strict=True))

    def point_numbers(self, x, coordinate, back):
        mean = self.w @ x
        sd = np.sqrt(self.w @ (x - mean) ** 2)
        ends = self.ends(coordinate, back)
        return dict(zip(NAMES, map(float, [mean, sd, *ends]), strict=True))

    def ends(self, coordinate, back):
        from brute_force.sampling import weighted_quantiles

        if len(np.unique(np.round(coordinate, 9))) < 2000:  # an axis of a lattice
            return marginal_quantiles(coordinate, self.w, back)
        return back(weighted_quantiles(coordinate, self.w))

    def correlation(self, term, i, j):
        roots = self.model.roots(self.u)[0]
        rho = correlations(roots[term])[i, j]
        z = np.arctanh(rho)
        if self.model.columns[term] == 2:
            z = self.u[:, self.model.sd_places[sum(self.model.columns[:term])] + 2]  # exact
        return self.point_numbers(rho, z, np.tanh)
