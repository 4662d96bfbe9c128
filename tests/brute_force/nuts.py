"""Long NUTS runs (numpyro) of counts with several factors: for the scripts only, never in a test.

pip install numpyro    (0.22, jax 0.10; double precision, on the CPU)
"""

from __future__ import annotations

import os

os.environ.setdefault("JAX_ENABLE_X64", "1")

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
from numpyro.infer import MCMC, NUTS

numpyro.enable_x64()


def model(y, X, terms, trials, exposure, log_sd_priors, beta_mean, beta_sd):
    """Terms are (levels of rows, columns Z, centred or not); priors are log densities of sds."""
    p = X.shape[1]
    support = dist.constraints.real_vector
    if beta_sd is None:
        beta = numpyro.sample("beta", dist.ImproperUniform(support, (), (p,)))
    else:
        beta = numpyro.sample("beta", dist.ImproperUniform(support, (), (p,)))
        finite = np.isfinite(beta_sd)
        z = (beta - beta_mean)[finite] / beta_sd[finite]
        numpyro.factor("beta_prior", -0.5 * (z**2).sum())
    eta = X @ beta + (0.0 if exposure is None else jnp.log(exposure))
    at = 0
    for t, (g, Z, centred) in enumerate(terms):
        levels, q = int(g.max()) + 1, Z.shape[1]
        u = numpyro.sample(f"log_tau{t}", dist.ImproperUniform(support, (), (q,)))
        tau = jnp.exp(u)
        for i in range(q):
            numpyro.factor(f"tau_prior{t}_{i}", u[i] + log_sd_priors[at + i](tau[i]))
        at += q
        root = jnp.diag(tau)
        if q > 1:
            C = numpyro.sample(f"C{t}", dist.LKJCholesky(q, 1.0))
            root = tau[:, None] * C
            numpyro.deterministic(f"rho{t}", (C @ C.T)[1, 0])
        if centred and q == 1:
            b = numpyro.sample(f"b{t}", dist.Normal(0, tau[0]).expand([levels, 1]))
        else:
            v = numpyro.sample(f"v{t}", dist.Normal(0, 1).expand([levels, q]))
            b = numpyro.deterministic(f"b{t}", v @ root.T)
        eta = eta + (b[g] * Z).sum(axis=1)
    if trials is None:
        numpyro.factor("rows", (y * eta - jnp.exp(eta)).sum())
    else:
        numpyro.factor("rows", (y * eta - trials * jax.nn.softplus(eta)).sum())


def draws(
    y,
    X,
    terms,
    *,
    trials=None,
    exposure=None,
    log_sd_priors=None,
    beta_mean=None,
    beta_sd=None,
    chains=4,
    warmup=1000,
    samples=10_000,
    seed=1,
    target=0.9,
):
    """Draws by name, (chains, samples, ...), and the number of divergences."""
    k = sum(Z.shape[1] for _, Z, _ in terms)
    kernel = NUTS(model, target_accept_prob=target)
    mcmc = MCMC(
        kernel,
        num_warmup=warmup,
        num_samples=samples,
        num_chains=chains,
        chain_method="sequential",
        progress_bar=False,
    )
    mcmc.run(
        jax.random.PRNGKey(seed),
        jnp.asarray(y, float),
        jnp.asarray(X, float),
        [(np.asarray(g), jnp.asarray(Z, float), c) for g, Z, c in terms],
        None if trials is None else jnp.asarray(trials, float),
        None if exposure is None else jnp.asarray(exposure, float),
        log_sd_priors or [lambda _: 0.0] * k,
        beta_mean,
        beta_sd,
        extra_fields=("diverging",),
    )
    divergent = int(mcmc.get_extra_fields()["diverging"].sum())
    found = mcmc.get_samples(group_by_chain=True)
    return {name: np.asarray(value) for name, value in found.items()}, divergent


def batches(x, number=40):
    """Equal batches of (chains, samples): their spread gives the Monte Carlo error."""
    flat = x.reshape(-1)
    return flat[: len(flat) // number * number].reshape(number, -1)
