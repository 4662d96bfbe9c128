"""Groups that differ in noise by plain integration over a product grid, without any of the package.

    y_ij ~ N(theta_j, sigma_j^2),   theta_j ~ N(mu, tau^2),   log sigma_j ~ N(log sigma, omega^2)

The likelihood of each group is a matrix, (tau, mu) by (sigma, omega): an even grid over log sigma_j
is summed by a matrix product.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import stats
from scipy.special import ndtr

Array = np.ndarray
SIZE = 32


@dataclass(frozen=True)
class Truth:
    """Posterior means and sds of parameters and groups, and distribution functions of groups."""

    log_evidence: float
    mean: dict[str, float]
    sd: dict[str, float]
    theta: Array
    theta_sd: Array
    below: Array
    noise_below: Array


def integrated(n, mean, ss, priors, upper, ends, noise_ends) -> Truth:
    """Integrate; `priors` are frozen SciPy distributions of mu, tau, sigma and omega.

    `upper` are ends of the ranges of |mu|, tau, sigma and omega; `ends` and `noise_ends`, (J, 2),
    are where the distribution functions of theta_j and sigma_j are taken.
    """
    mu, w_mu = _gauss(-upper[0], upper[0], 2 * SIZE)
    tau, w_tau = _gauss(0.0, upper[1], SIZE)
    sigma, w_sigma = _gauss(0.0, upper[2], SIZE)
    omega, w_omega = _gauss(0.0, upper[3], SIZE)
    x = np.linspace(-6.0, 6.0, 601)
    s, o = (v.ravel() for v in np.meshgrid(sigma, omega, indexing="ij"))
    of_x = stats.norm.pdf(x, np.log(s)[:, None], o[:, None])
    of_x /= of_x.sum(axis=1, keepdims=True)
    t, m = (v.ravel() for v in np.meshgrid(tau, mu, indexing="ij"))
    prior_rows = np.outer(w_tau * priors[1].pdf(tau), w_mu * priors[0].pdf(mu)).ravel()
    prior_columns = np.outer(w_sigma * priors[2].pdf(sigma), w_omega * priors[3].pdf(omega)).ravel()
    each, parts = [], []
    for n_j, y, ss_j, end, noise_end in zip(n, mean, ss, ends, noise_ends, strict=True):
        noise = np.exp(2.0 * x) / n_j
        total = noise + t[:, None] ** 2
        rows = stats.norm.pdf(y, m[:, None], np.sqrt(total))
        rows = rows * np.exp(
            -(n_j - 1) * (x + 0.5 * np.log(2 * np.pi)) - 0.5 * ss_j / np.exp(2 * x)
        )
        rows /= np.sqrt(n_j)
        kept = t[:, None] ** 2 / total
        value = m[:, None] + kept * (y - m[:, None])
        variance = kept * noise
        z = [ndtr((e - value) / np.sqrt(variance)) for e in end]
        answers = [
            value,
            variance + value**2,
            *z,
            *[np.clip((np.log(e) - x) / (x[1] - x[0]) + 0.5, 0.0, 1.0) for e in noise_end],
        ]
        each.append(rows @ of_x.T)
        parts.append([(rows * a) @ of_x.T for a in answers])
    weight = prior_rows[:, None] * prior_columns
    joint = weight * np.prod(each, axis=0)
    evidence = joint.sum()
    moments = [
        [float((weight * np.prod([*each[:j], a, *each[j + 1 :]], axis=0)).sum() / evidence)
         for a in answers]
        for j, answers in enumerate(parts)
    ]  # fmt: skip
    moments = np.array(moments)
    named = {"mu": m, "tau": t, "sigma": s, "omega": o}
    by_rows, by_columns = joint.sum(axis=1) / evidence, joint.sum(axis=0) / evidence
    share = {"mu": by_rows, "tau": by_rows, "sigma": by_columns, "omega": by_columns}
    first = {k: float(share[k] @ v) for k, v in named.items()}
    second = {k: float(np.sqrt(share[k] @ (v - first[k]) ** 2)) for k, v in named.items()}
    return Truth(
        float(np.log(evidence)), first, second, moments[:, 0],
        np.sqrt(moments[:, 1] - moments[:, 0] ** 2), moments[:, 2:4], moments[:, 4:6],
    )  # fmt: skip


def _gauss(low: float, high: float, size: int) -> tuple[Array, Array]:
    x, w = np.polynomial.legendre.leggauss(size)
    return 0.5 * (low + high) + 0.5 * (high - low) * x, 0.5 * (high - low) * w
