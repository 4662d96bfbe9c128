"""NUTS (numpyro) of twenty groups that differ in noise, written to tests/reference/truth.

pip install numpyro    (0.22, jax 0.10; double precision, on the CPU)
python tests/brute_force/nuts_heteroscedastic.py
"""

from __future__ import annotations

import json
import os
from pathlib import Path

os.environ.setdefault("JAX_ENABLE_X64", "1")

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
from numpyro.infer import MCMC, NUTS

numpyro.enable_x64()
TRUTH = Path(__file__).parents[1] / "reference" / "truth" / "heteroscedastic_nuts.json"
GROUPS, WARMUP, SAMPLES, CHAINS = 20, 2000, 20_000, 2


def data():
    """Rows of twenty groups as n, mean and sd: tau = 1, sigma = 2, sd_log_sigma = 0.6."""
    rng = np.random.default_rng(11)
    n = rng.integers(2, 12, GROUPS)
    theta, noise = rng.normal(0, 1, GROUPS), 2 * np.exp(rng.normal(0, 0.6, GROUPS))
    mean = theta + noise / np.sqrt(n) * rng.standard_normal(GROUPS)
    sd = noise * np.sqrt(rng.chisquare(n - 1) / (n - 1))
    return n, np.round(mean, 4), np.round(sd, 4)


def model(n, mean, ss):
    """Flat priors on mu, tau and log sigma; omega half-normal(1)."""
    real, positive = dist.constraints.real, dist.constraints.positive
    mu = numpyro.sample("mu", dist.ImproperUniform(real, (), ()))
    tau = numpyro.sample("tau", dist.ImproperUniform(positive, (), ()))
    log_sigma = numpyro.sample("log_sigma", dist.ImproperUniform(real, (), ()))
    omega = numpyro.sample("omega", dist.HalfNormal(1.0))
    with numpyro.plate("groups", len(n)):
        z = numpyro.sample("z", dist.Normal(0.0, 1.0))
        e = numpyro.sample("e", dist.Normal(0.0, 1.0))
    theta = numpyro.deterministic("theta", mu + tau * z)
    x = numpyro.deterministic("log_noise", log_sigma + omega * e)
    square = ss + n * (mean - theta) ** 2
    numpyro.factor("rows", jnp.sum(-n * x - 0.5 * jnp.exp(-2.0 * x) * square))


def told(values):
    """Mean, sd and ends of the 95% interval."""
    ends = np.quantile(values, [0.025, 0.975], axis=0)
    return [np.round(v, 5).tolist() for v in (values.mean(0), values.std(0), *ends)]


def main():
    """Sample and write."""
    n, mean, sd = data()
    sampler = MCMC(
        NUTS(model, target_accept_prob=0.95), num_warmup=WARMUP, num_samples=SAMPLES,
        num_chains=CHAINS, chain_method="sequential", progress_bar=False,
    )  # fmt: skip
    sampler.run(jax.random.PRNGKey(0), n, mean, sd**2 * (n - 1.0))
    draws = {k: np.asarray(v) for k, v in sampler.get_samples().items()}
    truth = {
        "n": n.tolist(), "mean": mean.tolist(), "sd": sd.tolist(),
        "divergences": int(sampler.get_extra_fields().get("diverging", np.zeros(1)).sum()),
        "Intercept": told(draws["mu"]), "tau": told(draws["tau"]),
        "sigma": told(np.exp(draws["log_sigma"])), "sd_log_sigma": told(draws["omega"]),
        "theta": told(draws["theta"]), "log_noise": told(draws["log_noise"]),
    }  # fmt: skip
    TRUTH.write_text(json.dumps(truth, indent=1) + "\n")


if __name__ == "__main__":
    main()
