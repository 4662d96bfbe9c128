"""Target encoders side by side: how near they come to the truth, and what a model gains of them.

    python benchmarks/encoder.py [--worlds 40] [--repeats 10] [--data radon] [--rows 1000000]

First worlds of 200 categories whose means are known: mean squared error of what each encoder says
of a category, and its ratio to the posterior mean's. Then data sets that come with the package:
cross-validated loss of a model of the encoded rows, training rows encoded by cross-fitting where
the encoder has it. Last the time of a large column.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import clone
from sklearn.linear_model import LinearRegression, LogisticRegression, PoissonRegressor
from sklearn.metrics import log_loss, mean_poisson_deviance, mean_squared_error
from sklearn.model_selection import RepeatedKFold
from sklearn.preprocessing import TargetEncoder

import partialpool as pp
from partialpool.sklearn import GroupEncoder
from timing import machine

CATEGORIES = 200
SMOOTH = (1.0, 10.0, 100.0)


def encoders(target: str = "continuous") -> dict[str, Any]:
    """Every encoder by its name; category_encoders' where it is installed."""
    kind = {"target_type": "continuous" if target == "count" else target}
    encoders: dict[str, Any] = {
        "GroupEncoder": GroupEncoder(target_type=target),
        **({"GroupEncoder, continuous": GroupEncoder()} if target == "count" else {}),
        "TargetEncoder, auto": TargetEncoder(**kind),
        **{f"TargetEncoder, smooth={m:g}": TargetEncoder(smooth=m, **kind) for m in SMOOTH},
    }
    try:
        import category_encoders as ce
    except ImportError:
        print("category_encoders is not installed: left out")
        return encoders
    encoders["JamesSteinEncoder"] = ce.JamesSteinEncoder()
    if target == "continuous":  # of others it encodes log-odds, or takes no such target
        try:
            encoders["GLMMEncoder"] = ce.GLMMEncoder(binomial_target=False)
        except ImportError:
            print("statsmodels is not installed: GLMMEncoder left out")
    return encoders


# worlds whose truth is known ----------------------------------------------------------------


def rows_of_sizes(rng: np.random.Generator, fewest: int, most: int) -> np.ndarray:
    """The category of each row; sizes even on a logarithmic scale."""
    sizes = np.exp(rng.uniform(np.log(fewest), np.log(most + 1), CATEGORIES)).astype(int)
    return np.repeat(np.arange(CATEGORIES), sizes)


WORLDS: dict[str, tuple[str, float, float, tuple[int, int]]] = {
    "little signal, 1 to 20 rows": ("continuous", 1.0, 8.0, (1, 20)),
    "some signal, 1 to 50 rows": ("continuous", 1.0, 2.0, (1, 50)),
    "much signal, 2 to 50 rows": ("continuous", 3.0, 1.0, (2, 50)),
    "binary, 2 to 50 rows": ("binary", 0.7, 0.0, (2, 50)),
    "counts, 1 to 50 rows": ("count", 0.5, 0.0, (1, 50)),
}


def world(name: str, seed: int) -> tuple[pd.DataFrame, np.ndarray, np.ndarray]:
    """Rows, their targets, and the true mean of every category."""
    target, tau, sigma, sizes = WORLDS[name]
    rng = np.random.default_rng(seed)
    group = rows_of_sizes(rng, *sizes)
    theta = rng.normal(0.0, tau, CATEGORIES)
    rows = pd.DataFrame({"category": [f"c{g}" for g in group]})
    if target == "continuous":
        return rows, 10.0 + theta[group] + rng.normal(0.0, sigma, len(group)), 10.0 + theta
    if target == "binary":
        p = 1.0 / (1.0 + np.exp(1.0 - theta))
        return rows, rng.binomial(1, p[group]), p
    rate = np.exp(0.5 + theta)
    return rows, rng.poisson(rate[group]), rate


def truth(worlds: int) -> None:
    """Mean squared errors of category means, over the squared sd of the true ones."""
    each = pd.DataFrame({"category": [f"c{g}" for g in range(CATEGORIES)]})
    for name, (target, *_) in WORLDS.items():
        errors: dict[str, list[float]] = {k: [] for k in encoders(target)}
        for seed in range(worlds):
            rows, y, mean = world(name, seed)
            for key, encoder in encoders(target).items():
                said = np.asarray(encoder.fit(rows, y).transform(each)).ravel()
                if key == "GLMMEncoder":  # which leaves the mean of all out
                    said = said + y.mean()
                errors[key].append(float(np.mean((said - mean) ** 2)))
        print(f"\n{name}: mean squared error of category means, ratio and its standard error")
        base = np.array(errors["GroupEncoder"])
        for key, values in errors.items():
            ratio, error = ratio_of(np.array(values), base)
            print(f"  {key:<28} {np.mean(values):9.4f} {ratio:8.2f} x  +- {error:.2f}")


def ratio_of(values: np.ndarray, base: np.ndarray) -> tuple[float, float]:
    """Ratio of means over the same worlds, with its standard error (delta method)."""
    ratio = values.mean() / base.mean()
    left = values - ratio * base
    return float(ratio), float(left.std(ddof=1) / np.sqrt(len(base)) / base.mean())


# data sets ----------------------------------------------------------------------------------


def contraception_rows() -> pd.DataFrame:
    """One row a woman."""
    d = pp.datasets.contraception()
    district = np.repeat(d["district"], d["women"])
    use = np.concatenate([np.arange(n) < y for n, y in zip(d["women"], d["users"], strict=True)])
    return pd.DataFrame({"district": district, "use": use.astype(int)})


def frame(name: str) -> pd.DataFrame:
    return pd.DataFrame(dict(getattr(pp.datasets, name)()))


DATA: dict[str, tuple[Callable[[], pd.DataFrame], str, str, list[str], list[str]]] = {
    "radon": (lambda: frame("radon"), "log_radon", "continuous", ["county"], ["floor"]),
    "high_school": (lambda: frame("high_school"), "math", "continuous", ["school"], ["ses"]),
    "penicillin": (
        lambda: frame("penicillin"), "diameter", "continuous", ["plate", "sample"], [],
    ),
    "contraception": (contraception_rows, "use", "binary", ["district"], []),
    "salamanders": (lambda: frame("salamanders"), "count", "count", ["site", "species"], []),
}  # fmt: skip
MODELS = {
    "continuous": (LinearRegression(), mean_squared_error),
    "binary": (LogisticRegression(C=np.inf), log_loss),
    "count": (PoissonRegressor(alpha=1e-3, max_iter=1000), mean_poisson_deviance),
}


def downstream(names: list[str], repeats: int) -> None:
    """Loss on held-out rows of a model of the encoded columns and the predictors."""
    for name in names:
        read, outcome, target, categories, others = DATA[name]
        rows = read()
        model, loss = MODELS[target]
        variants = encoders(target)
        if len(categories) > 1:
            method = "posterior" if target == "continuous" else "ml"  # which takes seconds a fit
            variants["GroupEncoder, additive"] = GroupEncoder(
                target_type=target, additive=True, method=method
            )
        variants["GroupEncoder, cv=5"] = GroupEncoder(target_type=target, cv=5)
        losses: dict[str, list[float]] = {k: [] for k in variants}
        for train, test in RepeatedKFold(n_splits=5, n_repeats=repeats, random_state=0).split(rows):
            for key, encoder in variants.items():
                fitted = fit_and_score(
                    clone(encoder), clone(model), rows.iloc[train], rows.iloc[test],
                    outcome, categories, others, loss, target,
                )  # fmt: skip
                losses[key].append(fitted)
        print(f"\n{name}, {len(rows):,} rows, {' and '.join(categories)}: {loss.__name__}")
        base = np.array(losses["GroupEncoder"])
        for key, values in losses.items():
            print(f"  {key:<28} {np.mean(values):9.4f} {np.mean(values) / base.mean():8.4f} x")


def fit_and_score(
    encoder: Any, model: Any, train: pd.DataFrame, test: pd.DataFrame, outcome: str,
    categories: list[str], others: list[str], loss: Callable[..., float], target: str,
) -> float:  # fmt: skip
    y = train[outcome].to_numpy()
    texts = {c: train[c].astype(str) for c in categories}
    encoded = np.asarray(encoder.fit_transform(pd.DataFrame(texts), y))
    new = np.asarray(encoder.transform(pd.DataFrame({c: test[c].astype(str) for c in categories})))
    mean, sd = encoded.mean(axis=0), encoded.std(axis=0) + 1e-12
    x, x_new = (
        np.column_stack([(e - mean) / sd, d[others].to_numpy(float)])
        for e, d in ((encoded, train), (new, test))
    )
    model.fit(x, y)
    said = model.predict_proba(x_new)[:, 1] if target == "binary" else model.predict(x_new)
    return float(loss(test[outcome], said))


def speed(rows: int, groups: int) -> None:
    """Processor time of fit_transform and transform."""
    rng = np.random.default_rng(0)
    group = rng.integers(0, groups, rows)
    y = rng.normal(size=groups)[group] + rng.normal(0.0, 2.0, rows)
    column = pd.DataFrame({"category": np.char.add("c", group.astype(str))})
    print(f"\n{rows:,} rows, {groups:,} categories of text: processor time")
    for name, encoder in {
        "GroupEncoder, cv=10": GroupEncoder(),
        "GroupEncoder, cv=5": GroupEncoder(cv=5),
        "TargetEncoder, cv=5": TargetEncoder(),
    }.items():
        begin = time.process_time()
        encoder.fit_transform(column, y)
        middle = time.process_time()
        encoder.transform(column)
        end = time.process_time()
        print(f"  {name:<22} fit_transform {middle - begin:6.2f} s, transform {end - middle:.2f} s")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--worlds", type=int, default=40)
    parser.add_argument("--repeats", type=int, default=10)
    parser.add_argument("--data", nargs="*", default=list(DATA), choices=list(DATA))
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--groups", type=int, default=100_000)
    options = parser.parse_args()
    warnings.simplefilter("ignore")  # of the other encoders
    print(machine())
    if options.worlds:
        truth(options.worlds)
    downstream(options.data, options.repeats)
    speed(options.rows, options.groups)
