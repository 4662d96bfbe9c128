"""Makes tests/reference/data/populations.json: posteriors under populations that are not normal.

    python tests/brute_force/make_populations.py [NAME ...]      (NumPy and SciPy; minutes each)

Each model is summed on two meshes; `accuracy` is the largest difference of any stored mean, sd or
quantile, in units of a quarter of its 95% interval. A moment that does not exist is null.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from brute_force.own_sigma import answers as solve_own_sigma
from brute_force.populations import (
    Contaminated,
    Counts,
    Mesh,
    Normal,
    Point,
    PointNormal,
    Student,
    answers,
    answers_rows,
    dumouchel,
    flat,
    half_normal,
)

OWN_SIGMA = "own sigma"
STORE = Path(__file__).parents[1] / "reference" / "data" / "populations.json"
BASEBALL = [18, 17, 16, 15, 14, 14, 13, 12, 11, 11, 10, 10, 10, 10, 10, 9, 8, 7]
NAMES = ("mean", "sd", "lower", "median", "upper")


def own_sigma():
    """20 groups whose sigmas differ; one is a single row, which says nothing of its sigma."""
    rng = np.random.default_rng(1833)
    n = np.append(rng.integers(3, 13, 19), 1)
    theta, sigma = rng.normal(0, 1, 20), 2 * np.exp(rng.normal(0, 0.6, 20))
    mean = rng.normal(theta, sigma / np.sqrt(n)).round(3)
    within = np.append((sigma[:-1] ** 2 * rng.chisquare(n[:-1] - 1)).round(3), 0.0)
    return {"n": n.tolist(), "mean": mean.tolist(), "within": within.tolist()}


def eight_schools(first=28):
    y = [first, 8, -3, 7, -1, 1, 18, 12]
    return {"family": "known errors", "y": y, "se": [15, 10, 16, 11, 9, 11, 10, 18]}


def sparse():
    """30 effects of which 6 are not 0."""
    rng = np.random.default_rng(1834)
    theta = np.where(np.arange(30) < 6, rng.normal(0, 4, 30), 0.0).round(2)
    se = rng.uniform(0.6, 1.6, 30).round(2)
    y = rng.normal(theta, se).round(2)
    return {"family": "known errors", "y": y.tolist(), "se": se.tolist(), "theta": theta.tolist()}


def rows():
    """20 groups of rows with two groups far out: rows, mean and sum of squares about it of each."""
    rng = np.random.default_rng(1831)
    n = rng.integers(4, 11, 20)
    theta = 3 + rng.normal(0, 1, 20) + np.where(np.arange(20) >= 18, 6.0, 0.0)
    mean = rng.normal(theta, 2 / np.sqrt(n)).round(3)
    within = (4 * rng.chisquare(n - 1)).round(3)
    return {
        "family": "measurements",
        "n": n.tolist(),
        "mean": mean.tolist(),
        "within": within.tolist(),
    }


def poisson():
    """20 counts with exposures from 1 to 20, one group far out."""
    rng = np.random.default_rng(1832)
    exposure = rng.uniform(1, 20, 20).round(1)
    theta = 0.3 + rng.normal(0, 0.4, 20) + np.where(np.arange(20) == 19, 1.8, 0.0)
    y = rng.poisson(exposure * np.exp(theta))
    return {"family": "poisson", "y": y.tolist(), "exposure": exposure.tolist()}


def baseball():
    return {"family": "binomial", "y": BASEBALL, "trials": [45] * 18}


STUDENT, LEARNED = {"name": "student", "df": 4.0}, {"name": "student", "df": "learned"}
CONTAMINATED = {"name": "contaminated", "share": None, "ratio": None}
POINT, POINT_MEAN = {"name": "point_normal", "mean": 0.0}, {"name": "point_normal", "mean": None}
FLAT, DUMOUCHEL, HALF = "flat", "dumouchel", "half_normal(1)"
MODELS = {
    "eight schools, t4": (eight_schools, STUDENT, FLAT),
    "eight schools, t learned": (eight_schools, LEARNED, FLAT),
    "eight schools, contaminated": (eight_schools, CONTAMINATED, FLAT),
    "eight schools, point normal": (eight_schools, POINT, DUMOUCHEL),
    "A is 100, t4": (lambda: eight_schools(100), STUDENT, FLAT),
    "A is 100, t learned": (lambda: eight_schools(100), LEARNED, FLAT),
    "A is 100, contaminated": (lambda: eight_schools(100), CONTAMINATED, FLAT),
    "sparse, t4": (sparse, STUDENT, FLAT),
    "sparse, point normal": (sparse, POINT, DUMOUCHEL),
    "sparse, point normal about its mean": (sparse, POINT_MEAN, DUMOUCHEL),
    "sparse, contaminated": (sparse, CONTAMINATED, FLAT),
    "baseball, t4": (baseball, STUDENT, FLAT),
    "baseball, contaminated": (baseball, CONTAMINATED, FLAT),
    "poisson, t4": (poisson, STUDENT, FLAT),
    "poisson, contaminated": (poisson, CONTAMINATED, FLAT),
    "poisson, point normal about its mean": (poisson, POINT_MEAN, HALF),
    "rows, t4": (rows, STUDENT, FLAT),
    "rows, contaminated": (rows, CONTAMINATED, FLAT),
}


def population(how, groups):
    if how["name"] == "student":
        return Student(None if how["df"] == "learned" else how["df"])
    if how["name"] == "contaminated":
        return Contaminated(shares=min(12, groups + 4) + groups // 3)
    return PointNormal(shares=12 + groups // 2)


def center_and_unit(data):
    """Where mu is, and the scale on which p(y | mu, s) bends: that of the pooled mean."""
    if data["family"] == "known errors":
        w = 1 / np.square(data["se"])
        return float(np.median(data["y"])), 1.5 / np.sqrt(w.sum())
    if data["family"] == "measurements":
        n = np.array(data["n"])
        sigma = np.sqrt(sum(data["within"]) / (n - 1).sum())
        return float(np.median(data["mean"])), 1.5 * sigma / np.sqrt(n.sum())
    y = np.array(data["y"])
    if data["family"] == "binomial":
        p = y.sum() / sum(data["trials"])
        return float(np.log(p / (1 - p))), 1.5 / np.sqrt(sum(data["trials"]) * p * (1 - p))
    return float(np.log(np.median(y / data["exposure"]))), 1.5 / np.sqrt(y.sum())


def solve(data, how, prior, fine):
    """Answers on the coarser or the finer mesh; sizes shrink where sigma is summed over too."""
    center, unit = center_and_unit(data)
    step = {"step_v": 0.06, "step_s": 0.04} if fine else {"step_v": 0.09, "step_s": 0.06}
    nested = data["family"] == "measurements"
    if nested:
        step = {"step_v": 0.13, "step_s": 0.04} if fine else {"step_v": 0.18, "step_s": 0.06}
        step |= {"down": 1e-5, "up": 1e3, "every": 4}
    elif how["name"] != "student" and "se" not in data:
        step |= {"down": 1e-4, "up": 1e4}
    mesh = Mesh(center, unit, **step)
    if how.get("mean") is not None:
        mesh = Point(mesh, how["mean"])
    kind = population(how, len(data.get("y", data.get("n"))))
    log_prior = {FLAT: flat, HALF: half_normal(1.0)}.get(prior)
    if prior == DUMOUCHEL:
        log_prior = dumouchel(1 / np.sqrt(np.mean(1 / np.square(data["se"]))))
    if nested:
        columns = data["n"], data["mean"], data["within"]
        return answers_rows(*columns, kind, mesh, log_prior, sigmas=15 if fine else 12)
    if "se" in data:
        return answers(Normal(data["y"], data["se"]), kind, mesh, log_prior)
    kernel = Counts(data["family"], data["y"], data.get("trials", data.get("exposure")))
    return answers(kernel, kind, mesh, log_prior)


def difference(a, b):
    """Largest of means, sds and quantiles, in quarters of the 95% interval."""
    a, b = np.array(a), np.array(b)
    return float(np.max(np.abs(a - b) / (b[..., -1:] - b[..., 2:3]) * 4))


def without_moments(out, how, prior):
    """Moments that do not exist are left out: of tau's prior, of a t with few df."""
    if how["name"] == "point_normal" and prior == DUMOUCHEL:  # its tail is tau^-2
        for each in (out["parameters"]["tau"], out["new group"]):
            each[0 if each is out["parameters"]["tau"] else 1] = None
            each[1] = None
    if how.get("df") == "learned":
        out["new group"][1] = None


def compared(coarse, fine):
    """`accuracy` by part, of the moments that exist."""
    out = {}
    for name, b in fine["parameters"].items():
        use = [i for i, x in enumerate(b) if x is not None]
        a = np.array([coarse["parameters"][name][i] for i in use])
        c = np.array([b[i] for i in use])
        out[name] = float(np.abs(a - c).max() / (b[4] - b[2]) * 4)
    out["groups"] = difference(coarse["groups"], fine["groups"])
    if "p_outlying" in fine:
        out["p_outlying"] = float(
            np.abs(np.subtract(*(x["p_outlying"] for x in (coarse, fine)))).max()
        )
    return {k: float(f"{v:.1e}") for k, v in out.items()}


def rounded(x):
    return [None if v is None else float(f"{v:.8g}") for v in x]


def entry(name):
    make, how, prior = MODELS[name]
    data = make()
    began = time.process_time()
    coarse, fine = solve(data, how, prior, False), solve(data, how, prior, True)
    without_moments(fine, how, prior)
    out = {"data": data, "population": how, "prior": {"tau": prior}}
    out["parameters"] = {
        k: dict(zip(NAMES, rounded(v), strict=True)) for k, v in fine["parameters"].items()
    }
    columns = zip(*fine["groups"], strict=True)
    out["groups"] = {k: rounded(v) for k, v in zip(NAMES, columns, strict=True)}
    out["new group"] = dict(zip(NAMES, rounded(fine["new group"]), strict=True))
    if "p_outlying" in fine:
        out["p_outlying"] = rounded(fine["p_outlying"])
    out["accuracy"] = compared(coarse, fine)
    return out, time.process_time() - began


def own_sigma_entry():
    """log sigma_j ~ N(log sigma, omega^2), omega ~ half-normal(1), flat mu and tau, 1 / sigma."""
    data = own_sigma()
    began = time.process_time()
    columns = data["n"], data["mean"], data["within"]
    coarse = solve_own_sigma(*columns, step=0.06, step_tau=0.25, step_v=0.16)
    fine = solve_own_sigma(*columns, step=0.05, step_tau=0.2, step_v=0.13)
    out = {"data": data, "prior": {"tau": "flat", "sigma": "1 / sigma", "omega": "half_normal(1)"}}
    out["parameters"] = {
        k: dict(zip(NAMES, rounded(v), strict=True)) for k, v in fine["parameters"].items()
    }
    for part in ("groups", "sigmas"):
        columns = zip(*fine[part], strict=True)
        out[part] = {k: rounded(v) for k, v in zip(NAMES, columns, strict=True)}
    out["accuracy"] = compared(coarse, fine)
    out["accuracy"]["sigmas"] = float(f"{difference(coarse['sigmas'], fine['sigmas']):.1e}")
    return out, time.process_time() - began


def main(names):
    for name in names or (*MODELS, OWN_SIGMA):
        made, seconds = own_sigma_entry() if name == OWN_SIGMA else entry(name)
        stored = json.loads(STORE.read_text()) if STORE.exists() else {}
        stored[name] = made
        STORE.write_text(json.dumps(stored, indent=1) + "\n")
        print(f"{name}: {seconds:.0f} s, {made['accuracy']}", flush=True)
        for key, value in made["parameters"].items():
            print("   ", key, value, flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
