"""Makes tests/reference/data/varying_rows.json: counts whose rows vary more, by long NUTS runs.

    python tests/brute_force/make_varying_rows.py [DRAWS]      (pip install numpyro)

    negative binomial:  y ~ NB, mean m = exposure exp(eta), variance m + (d m)^2
    beta-binomial:      y ~ Binomial(n, p), p ~ Beta(m / d^2, (1 - m) / d^2), m = expit(eta)
    eta = b0 + b1 x + b[g],  b ~ N(0, tau^2); flat b0, b1 and tau; d ~ half-normal(1)

The data are simulated: 15 groups of 8 rows; x differs within and between groups. `error` of each
number is its Monte Carlo standard error, from 40 batches.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

STORE = Path(__file__).parents[1] / "reference" / "data" / "varying_rows.json"
NAMES = ("mean", "sd", "lower", "median", "upper")
TRUE = {"Intercept": 0.5, "x": 0.4, "tau": 0.5, "dispersion": 0.6}


def data(family):
    rng = np.random.default_rng({"negative_binomial": 1841, "beta_binomial": 1842}[family])
    g = np.repeat(np.arange(15), 8)
    x = (rng.normal(size=15)[g] * 0.5 + rng.normal(size=120)).round(2)
    eta = TRUE["Intercept"] + TRUE["x"] * x + rng.normal(0, TRUE["tau"], 15)[g]
    k = 1 / TRUE["dispersion"] ** 2
    out = {"g": g.tolist(), "x": x.tolist()}
    if family == "negative_binomial":
        exposure = rng.uniform(0.5, 5, 120).round(1)
        y = rng.poisson(exposure * np.exp(eta) * rng.gamma(k, 1 / k, 120))
        return out | {"y": y.tolist(), "exposure": exposure.tolist()}
    trials = rng.integers(3, 21, 120)
    m = 1 / (1 + np.exp(-eta))
    y = rng.binomial(trials, rng.beta(k * m, k * (1 - m)))
    return out | {"y": y.tolist(), "trials": trials.tolist()}


def draws(family, columns, samples):
    import jax

    jax.config.update("jax_enable_x64", True)
    import jax.numpy as jnp
    import numpyro
    import numpyro.distributions as dist
    from numpyro.infer import MCMC, NUTS

    y, x, g = (np.array(columns[k]) for k in ("y", "x", "g"))

    def model():
        real, positive = dist.constraints.real, dist.constraints.positive
        b0 = numpyro.sample("Intercept", dist.ImproperUniform(real, (), ()))
        b1 = numpyro.sample("x", dist.ImproperUniform(real, (), ()))
        tau = numpyro.sample("tau", dist.ImproperUniform(positive, (), ()))
        d = numpyro.sample("dispersion", dist.HalfNormal(1.0))
        with numpyro.plate("groups", 15):
            v = numpyro.sample("v", dist.Normal(0, 1))
        numpyro.deterministic("group", b0 + tau * v)  # the group's value at x = 0
        eta = b0 + b1 * x + tau * v[g]
        k = 1 / d**2
        if family == "negative_binomial":
            mean = jnp.array(columns["exposure"]) * jnp.exp(eta)
            numpyro.sample("y", dist.NegativeBinomial2(mean, k), obs=y)
        else:
            m = jax.nn.sigmoid(eta)
            n = np.array(columns["trials"])
            numpyro.sample("y", dist.BetaBinomial(k * m, k * (1 - m), n), obs=y)

    mcmc = MCMC(
        NUTS(model, target_accept_prob=0.9),
        num_warmup=1000,
        num_samples=samples // 4,
        num_chains=4,
        chain_method="sequential",
        progress_bar=False,
    )
    mcmc.run(jax.random.PRNGKey(18), extra_fields=("diverging",))
    drawn = {k: np.asarray(v) for k, v in mcmc.get_samples().items()}
    return drawn, int(mcmc.get_extra_fields()["diverging"].sum())


def summary(value):
    """Numbers of one quantity and their Monte Carlo errors."""

    def numbers(x):
        return np.array([x.mean(), x.std(), *np.quantile(x, [0.025, 0.5, 0.975])])

    batches = value[: len(value) // 40 * 40].reshape(40, -1)
    error = np.array([numbers(b) for b in batches]).std(axis=0, ddof=1) / np.sqrt(40)
    rounded = [[float(f"{v:.6g}") for v in x] for x in (numbers(value), error)]
    return dict(zip(NAMES, rounded[0], strict=True)) | {
        "error": dict(zip(NAMES, rounded[1], strict=True))
    }


def main(samples):
    stored = {}
    for family in ("negative_binomial", "beta_binomial"):
        columns = data(family)
        drawn, divergent = draws(family, columns, samples)
        stored[family] = {
            "data": columns,
            "true": TRUE,
            "prior": {"tau": "flat", "dispersion": "half_normal(1)"},
            "made by": f"NUTS (numpyro), {samples} draws, {divergent} divergent",
            "parameters": {k: summary(drawn[k]) for k in TRUE},
            "groups": [summary(drawn["group"][:, j]) for j in range(15)],
        }
        print(family, divergent, stored[family]["parameters"], flush=True)
        STORE.write_text(json.dumps(stored, indent=1) + "\n")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 40_000)
