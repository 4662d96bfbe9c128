"""Eight schools: the full posterior, against NUTS in NumPyro (a minute of compiling left out)."""

from __future__ import annotations

from collections.abc import Callable

import partialpool as pp
import timing

SCHOOLS = pp.datasets.eight_schools()
MEAN, SE = SCHOOLS["effect"], SCHOOLS["se"]


def posterior() -> object:
    """Means and sds of mu, tau and all theta."""
    post = pp.fit_groups(mean=MEAN, se=SE)._engine
    return post.mu.mean, post.mu.sd, post.tau.mean, post.tau.sd, post.theta.mean, post.theta.sd


def engine() -> Callable[[], object]:
    """The same from statistics already reduced, without notices."""
    from partialpool.models import Priors
    from partialpool.posterior import one_way_posterior as compute
    from partialpool.rows import from_estimates

    statistics = from_estimates(MEAN, SE, factor="school")

    def run() -> object:
        post = compute(statistics, Priors())
        return post.mu.mean, post.mu.sd, post.tau.mean, post.tau.sd, post.theta.mean, post.theta.sd

    return run


def everything() -> object:
    """Also medians and 95% intervals of all of them, from the formula and the table."""
    return pp.fit("effect | se(se) ~ 1 + (1 | school)", SCHOOLS).to_dict()


def nuts() -> Callable[[], object] | None:
    """4,000 draws by NUTS, compiled beforehand."""
    try:
        import jax
        import numpyro
        import numpyro.distributions as dist
        from numpyro.infer import MCMC, NUTS
    except ImportError:
        return None
    numpyro.enable_x64()

    def model() -> None:
        mu = numpyro.sample("mu", dist.Normal(0, 100))
        tau = numpyro.sample("tau", dist.HalfCauchy(25))
        z = numpyro.sample("z", dist.Normal(0, 1).expand([8]))
        numpyro.sample("y", dist.Normal(mu + tau * z, SE), obs=MEAN)

    mcmc = MCMC(NUTS(model), num_warmup=1000, num_samples=4000, progress_bar=False)
    keys = iter(jax.random.split(jax.random.PRNGKey(0), 1000))

    def run() -> object:
        mcmc.run(next(keys))
        return jax.block_until_ready(mcmc.get_samples()["tau"])

    run()
    return run


if __name__ == "__main__":
    print(timing.machine())
    ours = "posterior of every parameter"
    timing.compare(
        [("from statistics", engine()), (ours, posterior)], base=ours, rounds=15, calls=50
    )
    timing.compare(
        [
            (ours, posterior),
            ("with intervals, notices, dict", everything),
            ("NumPyro NUTS", nuts()),
        ],
        base=ours,
        rounds=5,
        calls=1,
    )
