"""Posteriors of groups from a population that is not normal, by plain sums over a dense mesh.

    y_j | theta_j ~ N(theta_j, se_j^2), Binomial(n_j, logit^-1 theta_j) or Poisson(n_j exp theta_j)
    theta_j | mu, s_j ~ N(mu, s_j^2),      s_j drawn from what the population says

A Student t mixes s = tau / sqrt(lambda), lambda ~ gamma(df / 2, df / 2); a contaminated population
takes tau or ratio tau; a point-normal one 0 or tau. So one table of p(y_j | mu, s), on a mesh of
mu and log s, serves all: with log tau and log ratio on the same mesh, each population is a sum
along its last axis. Trapezoid rules in coordinates where the integrand dies out smoothly; the
script does everything once more on a finer mesh, and the difference is the error that it stores.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from scipy import interpolate, special

PROBABILITIES = (0.025, 0.5, 0.975)
LOG_2PI = np.log(2 * np.pi)


@dataclass
class Mesh:
    """mu = center + unit sinh(v); log s in steps; `every` of these is a value of log tau."""

    center: float
    unit: float
    step_v: float = 0.06
    reach_v: float = 4.2
    step_s: float = 0.04
    every: int = 3
    down: float = 1e-6
    up: float = 1e5
    s: np.ndarray = field(init=False)
    v: np.ndarray = field(init=False)

    def __post_init__(self):
        self.v = np.arange(-self.reach_v, self.reach_v + 1e-9, self.step_v)
        low = np.log(self.unit * self.down)
        size = int(np.log(self.up / self.down) / self.step_s)
        self.log_s = low + self.step_s * np.arange(size)
        # the last column is s = 0: a group at the mean itself
        self.s = np.append(np.exp(self.log_s), 0.0)

    @property
    def mu(self):
        return self.center + self.unit * np.sinh(self.v)

    @property
    def log_dmu(self):
        return np.log(self.unit * np.cosh(self.v) * self.step_v)

    @property
    def tau_at(self):
        """Places of tau on the mesh of s, four units of log s from its lower end."""
        first = int(4.0 / self.step_s)
        return np.arange(first, len(self.log_s), self.every)

    @property
    def log_tau(self):
        return self.log_s[self.tau_at]

    @property
    def step_tau(self):
        return self.step_s * self.every


class Point:
    """The mesh of a population whose mean is known: one value of mu."""

    def __init__(self, mesh, mean):
        self.s, self.log_s, self.tau_at, self.every = mesh.s, mesh.log_s, mesh.tau_at, mesh.every
        self.log_tau, self.step_tau, self.step_s = mesh.log_tau, mesh.step_tau, mesh.step_s
        self.v, self.mu, self.log_dmu = np.zeros(1), np.array([float(mean)]), np.zeros(1)


class Normal:
    """Estimates with known standard errors."""

    def __init__(self, y, se):
        self.y, self.se = np.asarray(y, float), np.asarray(se, float)

    def log_table(self, mesh):
        """log p(y_j | mu, s), (J, mu, s)."""
        v = self.se[:, None, None] ** 2 + mesh.s**2
        return -0.5 * (np.log(v) + LOG_2PI + (self.y[:, None, None] - mesh.mu[:, None]) ** 2 / v)

    def distribution(self, j, mu, s, weight, gap):
        """Summary of theta_j, of nodes (mu, s) with their weights and distances of mu."""
        a = s**2 / (s**2 + self.se[j] ** 2)
        mean, variance = mu + a * (self.y[j] - mu), a * self.se[j] ** 2
        return of_normals(mean, np.sqrt(variance + ((1 - a) * gap) ** 2 / 12), weight)


class Counts:
    """Binomial on the logit scale or Poisson on the log scale; one integral over theta a node."""

    def __init__(self, family, y, n):
        self.family, self.y, self.n = family, np.asarray(y, float), np.asarray(n, float)

    def _log_likelihood(self, j, theta):
        y, n = self.y[j], self.n[j]
        if self.family == "binomial":
            choose = -special.betaln(y + 1, n - y + 1) - np.log1p(n)
            return choose + y * theta - n * np.logaddexp(0.0, theta)
        return y * (theta + np.log(n)) - n * np.exp(theta) - special.gammaln(y + 1)

    def _slopes(self, j, theta):
        y, n = self.y[j], self.n[j]
        if self.family == "binomial":
            p = special.expit(theta)
            return y - n * p, n * p * (1 - p)
        m = n * np.exp(theta)
        return y - m, m

    def _nodes(self, j, mu, s, apart=0.1):
        """theta on an even rule about its mode, in z = (theta - mu) / s, and log weights."""
        z = np.zeros(np.broadcast_shapes(np.shape(mu), np.shape(s)))
        for _ in range(60):  # Newton, concave; steps of theta at most 1
            first, second = self._slopes(j, mu + s * z)
            step = (s * first - z) / (s * s * second + 1.0)
            z = z + np.clip(step, -1.0 / np.maximum(s, 1e-9), 1.0 / np.maximum(s, 1e-9))
        sd = 1.0 / np.sqrt(s * s * self._slopes(j, mu + s * z)[1] + 1.0)
        # a sparse group's posterior is skewed: reach 30 sds on the far side, where it is still
        # e^-9, by a sinh rule whose steps grow outwards
        x = np.arange(-4.0, 4.0 + apart / 2, apart)
        z = z[..., None] + 1.5 * sd[..., None] * np.sinh(x)
        theta = mu[..., None] + s[..., None] * z
        log_w = np.log(1.5 * np.cosh(x) * apart) + np.log(sd)[..., None]
        return theta, log_w - 0.5 * (z * z + LOG_2PI) + self._log_likelihood(j, theta)

    def log_table(self, mesh):
        out = np.empty((len(self.y), len(mesh.mu), len(mesh.s)))
        for j in range(len(self.y)):
            for i, mu in enumerate(mesh.mu):
                m = np.full(len(mesh.s), mu)
                out[j, i] = special.logsumexp(self._nodes(j, m, mesh.s)[1], axis=-1)
        return out

    def distribution(self, j, mu, s, weight, gap):
        # values of theta as dense as quantiles need: nodes of many pairs are near each other
        theta, log_w = self._nodes(j, mu, s, 0.02)
        w = np.exp(log_w - special.logsumexp(log_w, axis=-1, keepdims=True)) * weight[:, None]
        return of_atoms(theta.ravel(), w.ravel())


def of_normals(mean, sd, weight):
    """Mean, sd and quantiles of a mixture of normals, some of which may be atoms."""
    weight = weight / weight.sum()
    center = float(weight @ mean)
    spread = float(np.sqrt(weight @ (sd**2 + (mean - center) ** 2)))
    lo = np.full(3, float((mean - 40 * sd).min()))
    hi = np.full(3, float((mean + 40 * sd).max()))
    scale = np.maximum(sd, 1e-12 * spread)
    for _ in range(60):
        middle = (lo + hi) / 2
        below = np.array([weight @ special.ndtr((t - mean) / scale) for t in middle])
        high = below >= PROBABILITIES
        hi, lo = np.where(high, middle, hi), np.where(high, lo, middle)
        if (hi - lo).max() < 1e-7 * spread:
            break
    return [center, spread, *((lo + hi) / 2)]


def of_atoms(value, weight):
    """The same of many weighted values."""
    weight = weight / weight.sum()
    center = float(weight @ value)
    order = np.argsort(value)
    cumulated = np.cumsum(weight[order]) - 0.5 * weight[order]
    ends = np.interp(PROBABILITIES, cumulated, value[order])
    return [center, float(np.sqrt(weight @ (value - center) ** 2)), *ends]


# populations: each yields (log weight of its own parameters, their values, rule along s)


@dataclass
class Student:
    """df a number, or None: gamma(2, rate 0.1) above 0.5."""

    df: float | None = 4.0
    step: float = 0.15

    def settings(self, mesh):
        if self.df is not None:
            yield 0.0, {}, self._rule(mesh, self.df)
            return
        logs = np.arange(np.log(0.5), np.log(250.0), self.step)
        for log_df in logs:
            df = np.exp(log_df)
            end = 0.5 if log_df == logs[0] else 1.0  # of the trapezoid rule
            prior = 2 * np.log(0.1) + 2 * log_df - 0.1 * df + np.log(self.step * end)
            yield prior, {"df": df}, self._rule(mesh, df)

    def _rule(self, mesh, df):
        """Weights of s given tau, (tau, s): the density of log s = log tau - log(lambda) / 2."""
        a = 0.5 * df
        u = -2.0 * (mesh.log_s - mesh.log_tau[:, None])
        log_density = a * np.log(a) - special.gammaln(a) + a * u - a * np.exp(u)
        rule = 2.0 * mesh.step_s * np.exp(log_density)
        return [("all", np.hstack([rule, np.zeros((len(rule), 1))]))]


@dataclass
class OneNormal:
    """theta_j ~ N(mu, tau^2): what is known otherwise, to test the sums themselves."""

    def settings(self, mesh):
        yield 0.0, {}, [("only", 0, 1.0)]


@dataclass
class Contaminated:
    """share ~ beta(1, 4), log ratio ~ N(log 5, 0.5) above 1, where they are None."""

    share: float | None = None
    ratio: float | None = None
    shares: int = 16

    def settings(self, mesh):
        shift = mesh.every * np.arange(1 + int(4.2 / mesh.step_tau))
        log_k = mesh.step_s * shift
        prior_k = -0.5 * ((log_k - np.log(5.0)) / 0.5) ** 2
        prior_k[0] -= np.log(2.0)
        if self.ratio is not None:  # a known ratio must lie on the mesh
            shift, prior_k = [round(np.log(self.ratio) / mesh.step_s)], [0.0]
            log_k = [np.log(self.ratio)]
        nodes, weights = (
            special.roots_sh_jacobi(self.shares, 4, 1)
            if self.share is None
            else (np.array([self.share]), np.ones(1))
        )
        for k, by, at in zip(log_k, shift, prior_k, strict=True):
            for e, w in zip(nodes, weights, strict=True):
                values = {} if self.share is not None else {"share": e}
                values |= {} if self.ratio is not None else {"log_ratio": k}
                yield at + np.log(w), values, [("narrow", 0, 1 - e), ("wide", by, e)]


@dataclass
class PointNormal:
    """share ~ uniform(0, 1): the rest of the groups are at the mean itself."""

    shares: int = 24

    def settings(self, mesh):
        nodes, weights = np.polynomial.legendre.leggauss(self.shares)
        for e, w in zip(0.5 + nodes / 2, weights / 2, strict=True):
            yield np.log(w), {"share": e}, [("atom", "zero", 1 - e), ("slab", 0, e)]


def columns(table, mesh, by):
    """The table at s = tau shifted by so many places, (J, mu, tau), and these places of s.

    Beyond the mesh's end, where p(y | mu, s) is below 1e-4 of the rest, it is 0.
    """
    if by == "zero":
        return table[:, :, -1:], np.full(1, len(mesh.log_s))
    at = mesh.tau_at + by
    at = at[at < len(mesh.log_s)]
    beyond = len(mesh.tau_at) - len(at)
    return np.pad(table[:, :, at], ((0, 0), (0, 0), (0, beyond))), at


def posterior(kernel, population, mesh, log_prior_tau, *, table=None, reference=None, extra=0.0):
    """Sums over the mesh: marginals of the population, weights of the groups' (mu, s).

    `extra` is added to the log density (another hyperparameter is summed over outside).
    """
    table = kernel.log_table(mesh) if table is None else table
    top = table.max(axis=(1, 2))
    p = np.exp(table - top[:, None, None])
    J = len(p)
    log_base = mesh.log_dmu[:, None] + mesh.log_tau + np.log(mesh.step_tau)
    log_base = log_base + log_prior_tau(np.exp(mesh.log_tau)) + top.sum() + extra
    # below the mesh nothing depends on tau, and the sum to minus infinity is geometric
    log_base[:, 0] -= np.log1p(-np.exp(-mesh.step_tau))
    weights = np.zeros_like(p)
    new = np.zeros(p.shape[1:])
    far = np.zeros(J)
    marginal = {"mu": np.zeros(len(mesh.mu)), "tau": np.zeros(len(mesh.log_tau)), "own": []}
    for log_own, values, rule in population.settings(mesh):
        if rule[0][0] == "all":
            matrix = rule[0][1]
            f = p @ matrix.T
            parts = None
        else:
            parts = [(name, share, *columns(p, mesh, by)) for name, by, share in rule]
            f = sum(share * q for _, share, q, _ in parts)
        with np.errstate(divide="ignore"):
            log_post = np.log(f).sum(axis=0) + log_base + log_own
        if reference is None:
            reference = log_post.max()
        w = np.exp(log_post - reference)
        marginal["mu"] += w.sum(axis=1)
        marginal["tau"] += w.sum(axis=0)
        marginal["own"].append((values, w.sum(), w.sum(axis=1), w.sum(axis=0)))
        with np.errstate(invalid="ignore", divide="ignore"):
            over = np.where(f > 0, w / f, 0.0)
        if parts is None:
            weights += p * (over @ matrix)
            new += w @ matrix
            continue
        for name, share, q, at in parts:
            of = share * q * over
            if name == "atom":
                weights[:, :, -1] += of.sum(axis=2)
                new[:, -1] += share * w.sum(axis=1)
                continue
            weights[:, :, at] += of[:, :, : len(at)]
            new[:, at] += share * w[:, : len(at)]
            if name in ("wide", "slab"):
                far += of.sum(axis=(1, 2))
    return {
        "reference": reference,
        "marginal": marginal,
        "weights": weights,
        "new": new,
        "far": far,
        "total": marginal["mu"].sum(),
    }


def of_density(x, mass, value=np.exp):
    """Summary of value(x) from its mass on an even mesh of x, by a spline of its logarithm."""
    keep = mass > mass.max() * 1e-25
    x, mass = x[keep], mass[keep]
    fine = np.linspace(x[0], x[-1], 20001)
    density = np.exp(interpolate.CubicSpline(x, np.log(mass))(fine))
    steps = 0.5 * (density[1:] + density[:-1])
    cumulated = np.concatenate([[0.0], np.cumsum(steps)]) / steps.sum()
    w = mass / mass.sum()
    mean = float(w @ value(x))
    sd = float(np.sqrt(w @ (value(x) - mean) ** 2))
    return [mean, sd, *value(np.interp(PROBABILITIES, cumulated, fine))]


def of_polynomial(nodes, mass, weight, log_prior):
    """Summary of a share in (0, 1) whose likelihood is a polynomial known at quadrature nodes."""
    fine = np.linspace(0.0, 1.0, 20001)
    height = interpolate.BarycentricInterpolator(nodes, mass / weight)(fine)
    density = np.clip(height, 0, None) * np.exp(log_prior(fine))
    steps = 0.5 * (density[1:] + density[:-1])
    cumulated = np.concatenate([[0.0], np.cumsum(steps)]) / steps.sum()
    w = mass / mass.sum()
    mean = float(w @ nodes)
    ends = np.interp(PROBABILITIES, cumulated, fine)
    return [mean, float(np.sqrt(w @ (nodes - mean) ** 2)), *ends]


UP = 6
"""Finer mesh of mu for reading out, so that groups that are at mu itself leave no steps."""


def finer(mesh, weights, times=UP):
    """Weights of (mu, s) on a mesh of mu that many times finer; the sum is kept."""
    if len(mesh.v) == 1:
        return mesh.mu, weights
    v = np.linspace(mesh.v[0], mesh.v[-1], times * (len(mesh.v) - 1) + 1)
    w = np.clip(interpolate.CubicSpline(mesh.v, weights, axis=0)(v), 0.0, None) / times
    return mesh.center + mesh.unit * np.sinh(v), w


def heaviest(mu, s, w, lost=1e-7):
    """Nodes but the lightest, whose weights sum to less than `lost` of all; distances of mu.

    A group that is at mu itself has steps between the nodes of mu, which normals of that width
    smooth; they add 1e-4 of its variance.
    """
    w = w / w.sum()
    flat = np.sort(w.ravel())
    cut = flat[np.searchsorted(np.cumsum(flat), lost)]
    i, k = np.nonzero(w >= cut)
    gap = np.gradient(mu) if len(mu) > 1 else np.zeros(1)
    return mu[i], s[k], w[i, k], gap[i]


def parameters_of(found, population, mesh):
    """Summaries of the population's parameters."""
    marginal = found["marginal"]
    out = {}
    if len(mesh.v) > 1:
        height = marginal["mu"]
        out["Intercept"] = of_density(
            mesh.v, height, lambda v: mesh.center + mesh.unit * np.sinh(v)
        )
    below = mesh.step_tau * np.arange(-80, 0)
    first = marginal["tau"][0] * -np.expm1(-mesh.step_tau)
    log_tau = np.append(mesh.log_tau[0] + below, mesh.log_tau)
    out["tau"] = of_density(
        log_tau, np.concatenate([first * np.exp(below), [first], marginal["tau"][1:]])
    )
    own = marginal["own"]
    if "df" in own[0][0]:
        df = np.array([values["df"] for values, *_ in own])
        mass = np.array([m for _, m, *_ in own])
        mass[0] *= 2.0  # the end of the trapezoid
        out["df"] = of_density(np.log(df), mass)
    for name in ("share", "log_ratio"):
        if name not in own[0][0]:
            continue
        values = np.array([v[name] for v, *_ in own])
        points = np.unique(values)
        mass = np.array([sum(m for v, m, *_ in own if v[name] == x) for x in points])
        if name == "log_ratio":
            mass[0] *= 2.0  # the end of the trapezoid
            out["ratio"] = of_density(points, mass)
        elif isinstance(population, PointNormal):
            _, w = np.polynomial.legendre.leggauss(population.shares)
            out["share"] = of_polynomial(points, mass, w, lambda e: 0.0 * e)
        else:
            _, w = special.roots_sh_jacobi(population.shares, 4, 1)
            log_prior = lambda e: 3 * np.log(np.maximum(1 - e, 1e-300))  # noqa: E731
            out["share"] = of_polynomial(points, mass, w, log_prior)
    return out


def dumouchel(s0):
    return lambda tau: np.log(s0) - 2 * np.log(s0 + tau)


def flat(tau):
    return 0.0 * tau


def half_normal(scale):
    return lambda tau: -0.5 * (tau / scale) ** 2


def answers(kernel, population, mesh, log_prior_tau=flat):
    """Everything that is stored of one model: parameters, groups, a new group, P(outlying)."""
    found = posterior(kernel, population, mesh, log_prior_tau)
    J = len(found["weights"])
    groups = []
    for j in range(J):
        w, s, times, lost = found["weights"][j], mesh.s, UP, 1e-7
        if isinstance(kernel, Counts):  # each pair has many nodes of theta, which smooth as well
            w, s = thinned(w, mesh)
            times, lost = (8 if w[:, -1].any() else 2), 1e-5
        mu, w = finer(mesh, w, times)
        groups.append(kernel.distribution(j, *heaviest(mu, s, w, lost)))
    mu, w = finer(mesh, found["new"])
    m, s, w, gap = heaviest(mu, mesh.s, w, 1e-6)
    out = {
        "parameters": parameters_of(found, population, mesh),
        "groups": groups,
        "new group": of_normals(m, np.sqrt(s**2 + gap**2 / 12), w),
    }
    if found["far"].any():
        out["p_outlying"] = (found["far"] / found["total"]).tolist()
    return out


def thinned(w, mesh):
    """Weights at the places of s where tau may be, and at s = 0.

    Elsewhere they are 0, or, of Student's t, as smooth in log s, so that the rest is their share.
    """
    at = np.append(np.arange(mesh.tau_at[0] % mesh.every, len(mesh.log_s), mesh.every), -1)
    return w[:, at], mesh.s[at]


def answers_rows(n, mean, within, population, mesh, log_prior_tau=flat, sigmas=25):
    """The same of rows whose sigma is unknown with prior 1 / sigma: summed over sigma outside.

    n, mean, within: rows, mean and sum of squares about it, of each group.
    """
    n, mean = np.asarray(n, float), np.asarray(mean, float)
    df, total = float((n - 1).sum()), float(np.sum(within))
    center = 0.5 * np.log(total / df)
    step = 14.0 / np.sqrt(2 * df) / (sigmas - 1)
    log_sigma = center + step * (np.arange(sigmas) - (sigmas - 1) / 2)
    order = np.argsort(np.abs(log_sigma - center))
    found, reference = [None] * sigmas, None
    for i in order:
        sigma = np.exp(log_sigma[i])
        kernel = Normal(mean, sigma / np.sqrt(n))
        extra = -df * log_sigma[i] - 0.5 * total / sigma**2 + df * center + 0.5 * df
        found[i] = posterior(
            kernel, population, mesh, log_prior_tau, reference=reference, extra=extra
        )
        reference = found[i]["reference"]
    added = {
        "total": sum(f["total"] for f in found),
        "far": sum(f["far"] for f in found),
        "new": sum(f["new"] for f in found),
    }
    added["marginal"] = {k: sum(f["marginal"][k] for f in found) for k in ("mu", "tau")}
    own = [f["marginal"]["own"] for f in found]
    added["marginal"]["own"] = [(o[0][0], sum(x[1] for x in o)) for o in zip(*own, strict=True)]
    groups = []
    for j in range(len(n)):
        nodes = []
        for f, x in zip(found, log_sigma, strict=True):
            mu, w = finer(mesh, f["weights"][j])
            if w.sum() < 1e-9 * added["total"]:
                continue
            size = w.sum()
            mu, s, w, _ = heaviest(mu, mesh.s, w, 1e-6)
            se = np.exp(x) / np.sqrt(n[j])
            a = s**2 / (s**2 + se**2)
            nodes.append((mu + a * (mean[j] - mu), np.sqrt(a) * se, w * size))
        groups.append(of_normals(*(np.concatenate(x) for x in zip(*nodes, strict=True))))
    mu, w = finer(mesh, added["new"])
    m, s, w, gap = heaviest(mu, mesh.s, w, 1e-6)
    parameters = parameters_of(added, population, mesh)
    parameters["sigma"] = of_density(log_sigma, np.array([f["total"] for f in found]))
    out = {
        "parameters": parameters,
        "groups": groups,
        "new group": of_normals(m, np.sqrt(s**2 + gap**2 / 12), w),
    }
    if added["far"].any():
        out["p_outlying"] = (added["far"] / added["total"]).tolist()
    return out
