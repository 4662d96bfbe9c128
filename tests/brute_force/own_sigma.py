"""Posterior of groups that differ in noise, from (n, mean, sum of squares), by plain sums.

    y_ij ~ N(theta_j, sigma_j^2),  theta_j ~ N(mu, tau^2),  log sigma_j ~ N(log sigma, omega^2)

flat mu and tau, p(sigma) = 1 / sigma, omega ~ half-normal(1). With x = log sigma_j on an even mesh,
a group's p(y_j | mu, tau, sigma, omega) is a product of two matrices: one of (mu, tau) by x, from
the rows; one of x by (sigma, omega), the weights of a rule for N(log sigma, omega^2) on the mesh.
"""

from __future__ import annotations

import numpy as np

from brute_force.populations import LOG_2PI, Mesh, finer, of_density, of_normals


def rule(x, centers, omegas):
    """Weights of N(center, omega^2) on the mesh x, (x, centers, omegas); centers are on the mesh.

    Where omega is below the step the trapezoid rule fails: there nine points about the center
    take the weights that have the normal's moments up to the eighth.
    """
    step = x[1] - x[0]
    out = np.zeros((len(x), len(centers), len(omegas)))
    offsets = np.arange(-4, 5)
    powers = offsets[None, :] ** np.arange(9)[:, None]
    for o, omega in enumerate(omegas):
        if omega > 1.2 * step:
            z = (x[:, None] - centers) / omega
            w = np.exp(-0.5 * (z * z + LOG_2PI)) * step / omega
            out[:, :, o] = w / w.sum(axis=0)
            continue
        r = (omega / step) ** 2
        moments = [1, 0, r, 0, 3 * r**2, 0, 15 * r**3, 0, 105 * r**4]
        weights = np.linalg.solve(powers.astype(float), np.array(moments, float))
        first = np.rint((centers - x[0]) / step).astype(int)
        for k, at in enumerate(first):
            out[at + offsets, k, o] = weights
    return out


def answers(n, mean, within, *, step=0.05, step_tau=0.2, step_v=0.12, every=3):
    """Parameters mu, tau, sigma, omega, and theta_j and sigma_j of every group."""
    n, mean, within = (np.asarray(v, float) for v in (n, mean, within))
    J = len(n)
    sigma = np.sqrt(within.sum() / (n - 1).sum())
    mesh = Mesh(float(np.median(mean)), 1.5 * sigma / np.sqrt(n.sum()), step_v=step_v)
    unit = sigma / np.sqrt(n.mean())
    log_tau = np.arange(np.log(unit * 1e-4), np.log(unit * 60), step_tau)
    log_omega = np.arange(np.log(1e-4), np.log(6.0), step_tau)
    several = n > 1
    own_log = 0.5 * np.log(within[several] / (n[several] - 1))
    mean_log = float(np.average(own_log, weights=n[several] - 1))
    # values of log sigma_j, and of log sigma among them
    x = mean_log + step * np.arange(-int(5 / step), int(5 / step) + 1)
    centers = mean_log + step * every * np.arange(
        -int(1.5 / step / every), int(1.5 / step / every) + 1
    )
    spread = np.exp(log_omega)
    B = rule(x, centers, spread).reshape(len(x), -1)
    mu = mesh.mu
    A, log_f = [], 0.0
    for j in range(J):
        v = np.exp(2 * x) / n[j] + np.exp(2 * log_tau)[:, None]
        log_rows = -(n[j] - 1) * x - 0.5 * within[j] * np.exp(-2 * x)
        each = -0.5 * (np.log(v) + (mean[j] - mu[:, None, None]) ** 2 / v) + log_rows
        top = each.max()
        A.append(np.exp(each - top).reshape(-1, len(x)))
        log_f = log_f + np.log(np.maximum(A[j] @ B, 1e-300)) + top
    # densities in log tau, log sigma (1 / sigma cancels) and log omega
    log_base = (mesh.log_dmu[:, None] + log_tau).reshape(-1, 1)
    prior_omega = (log_omega - 0.5 * spread**2)[None] + 0.0 * centers[:, None]
    log_post = log_f + log_base + prior_omega.reshape(-1)
    w = np.exp(log_post - log_post.max())
    w /= w.sum()
    full = w.reshape(len(mu), len(log_tau), len(centers), len(log_omega))
    parameters = {
        "Intercept": of_density(
            mesh.v, full.sum(axis=(1, 2, 3)), lambda v: mesh.center + mesh.unit * np.sinh(v)
        ),
        "tau": of_density(log_tau, full.sum(axis=(0, 2, 3))),
        "sigma": of_density(centers, full.sum(axis=(0, 1, 3))),
        "omega": of_density(log_omega, full.sum(axis=(0, 1, 2))),
    }
    groups, sigmas = [], []
    for j in range(J):
        own = A[j] * ((w / np.maximum(A[j] @ B, 1e-300)) @ B.T)  # (mu tau, x)
        own = np.clip(own, 0.0, None).reshape(len(mu), -1)
        fine, nodes = finer(mesh, own)
        heavy = nodes > nodes.max() * 1e-7
        i, k = np.nonzero(heavy)
        t, place = np.divmod(k, len(x))
        s2, t2 = np.exp(2 * x[place]) / n[j], np.exp(2 * log_tau[t])
        a = t2 / (t2 + s2)
        m = fine[i]
        groups.append(of_normals(m + a * (mean[j] - m), np.sqrt(a * s2), nodes[heavy]))
        sigmas.append(of_density(x, own.reshape(-1, len(x)).sum(axis=0)))
    return {"parameters": parameters, "groups": groups, "sigmas": sigmas}
