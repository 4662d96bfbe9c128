"""The models whose posteriors stand in truth/: data, formula, priors, and the design by hand.

The design is written out here with NumPy so that the reference shares nothing with the program's
formulas; tests take the same columns, the formula and the priors.
"""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

from brute_force.cases import Case, Design, level

DATA = Path(__file__).parent / "data"
PACKAGED = Path(__file__).parents[2] / "src" / "partialpool" / "datasets"


def read(path):
    path = path if isinstance(path, Path) else DATA / f"{path}.csv"
    with path.open() as file:
        rows = list(csv.reader(file))
    columns = {}
    for name, *values in zip(*rows, strict=True):
        try:
            numbers = np.array([float(v) for v in values])
            whole = "." not in "".join(values)
            columns[name] = numbers.astype(int) if whole else numbers
        except ValueError:
            columns[name] = np.array(values)
    return columns


def one(y):
    return np.ones(len(y))


def dummies(name, column, first):
    """Treatment coding by sorted levels after the first."""
    others = [x for x in np.unique(column).tolist() if x != first]
    return {f"{name}[{x}]": (column == x) * 1.0 for x in others}


def cbpp(row_effect):
    rows = read(PACKAGED / "cbpp.csv")
    rows["row"] = np.arange(len(rows["herd"]))
    X = {"Intercept": one(rows["herd"]), **dummies("C(period)", rows["period"], 1)}
    ones = {"Intercept": X["Intercept"]}
    terms = [("herd", level(rows["herd"]), ones)]
    terms += [("row", level(rows["row"]), ones)] if row_effect else []
    design = Design(rows["incidence"], X, terms, trials=rows["size"])
    formula = "incidence | trials(size) ~ C(period) + (1 | herd)"
    return Case(formula + (" + (1 | row)" if row_effect else ""), rows, design)


def seeds_flat():
    """Crowder (1978): two varieties by two extracts, an effect of each plate; flat priors."""
    raw = read(PACKAGED / "seeds.csv")
    rows = {
        "r": raw["germinated"],
        "n": raw["seeds"],
        "plate": np.arange(21),
        "x1": (raw["variety"] == "O. aegyptiaca 73") * 1.0,
        "x2": (raw["extract"] == "cucumber") * 1.0,
    }
    X = {"Intercept": one(rows["r"]), "x1": rows["x1"], "x2": rows["x2"]}
    X["x1:x2"] = rows["x1"] * rows["x2"]
    terms = [("plate", level(rows["plate"]), {"Intercept": X["Intercept"]})]
    design = Design(rows["r"], X, terms, trials=rows["n"])
    return Case("r | trials(n) ~ x1 * x2 + (1 | plate)", rows, design)


def bacteria(slopes):
    rows = read("bacteria")
    rows["late"] = (rows["week"] > 2) * 1.0
    ones = one(rows["week"])
    X = {"Intercept": ones, **dummies("trt", rows["trt"], "drug")}
    X |= {"week": rows["week"]} if slopes else {"late": rows["late"]}
    columns = {"Intercept": ones, **({"week": rows["week"]} if slopes else {})}
    design = Design(rows["present"], X, [("id", level(rows["id"]), columns)], trials=ones)
    formula = "present ~ trt + week + (week | id)" if slopes else "present ~ trt + late + (1 | id)"
    return Case(formula, rows, design, "binomial")


def toenail():
    rows = read("toenail")
    treated = (rows["treatment"] == "terbinafine") * 1.0
    ones = one(treated)
    X = {"Intercept": ones, "treatment[terbinafine]": treated, "time": rows["time"]}
    X["treatment[terbinafine]:time"] = treated * rows["time"]
    terms = [("patient", level(rows["patient"]), {"Intercept": ones})]
    design = Design(rows["y"], X, terms, trials=ones)
    return Case("y ~ treatment * time + (1 | patient)", rows, design, "binomial")


def contraception():
    rows = read("contraception_women")
    rows["town"] = (rows["urban"] == "Y") * 1.0
    ones = one(rows["age"])
    X = {"Intercept": ones, "age": rows["age"], "town": rows["town"]}
    X |= dummies("C(livch)", rows["livch"], "0")
    terms = [("district", level(rows["district"]), {"Intercept": ones, "town": rows["town"]})]
    design = Design(rows["use"], X, terms, trials=ones)
    formula = "use ~ age + town + C(livch) + (town | district)"
    return Case(formula, rows, design, "binomial")


def verbal_aggression():
    """316 people, 24 items, yes against no."""
    who, items = read("verbal_aggression"), read("verbal_aggression_items")
    people, n = len(who["id"]), len(items["item"])
    rows = {
        "yes": np.array([[int(c) for c in a[1:]] for a in who["answers"]]).ravel(),
        "id": np.repeat(who["id"], n),
        "anger": np.repeat(who["anger"], n),
        "gender": np.repeat(who["gender"], n),
        **{k: np.tile(v, people) for k, v in items.items()},
    }
    ones = one(rows["yes"])
    X = {"Intercept": ones, "anger": rows["anger"], **dummies("gender", rows["gender"], "F")}
    for name, first in (("btype", "curse"), ("situ", "other"), ("mode", "do")):
        X |= dummies(name, rows[name], first)
    terms = [(f, level(rows[f]), {"Intercept": ones}) for f in ("id", "item")]
    design = Design(rows["yes"], X, terms, trials=ones, centred=("id", "item"))
    formula = "yes ~ anger + gender + btype + situ + mode + (1 | id) + (1 | item)"
    return Case(formula, rows, design, "binomial")


def epil():
    """Thall and Vail (1990), as in Breslow and Clayton (1993), with an effect of each count."""
    rows = read("epil")
    rows["row"] = np.arange(len(rows["y"]))
    rows["lbase"] = np.log(rows["base"] / 4)
    rows["lage"] = np.log(rows["age"])
    treated = (rows["trt"] == "progabide") * 1.0
    ones = one(treated)
    X = {"Intercept": ones, "lbase": rows["lbase"], "trt[progabide]": treated}
    X |= {"lage": rows["lage"], "fourth": rows["fourth"]}
    X["lbase:trt[progabide]"] = rows["lbase"] * treated
    terms = [(f, level(rows[f]), {"Intercept": ones}) for f in ("subject", "row")]
    formula = "y ~ lbase * trt + lage + fourth + (1 | subject) + (1 | row)"
    return Case(formula, rows, Design(rows["y"], X, terms), "poisson")


def beta_blockers(trials):
    """Yusuf et al. (1985): deaths by arm of 22 trials, an intercept of each trial."""
    rows = read("beta_blockers")
    rows = {k: v[rows["st"] < trials] for k, v in rows.items()}
    X = {f"C(st)[{s}]": (rows["st"] == s) * 1.0 for s in range(trials)} | {"t": rows["t"]}
    terms = [("st", level(rows["st"]), {"t": rows["t"]})]
    design = Design(rows["r"], X, terms, trials=rows["n"])
    formula, prior = "r | trials(n) ~ 0 + C(st) + t + (0 + t | st)", ["tau ~ half_normal(0.5)"]
    return Case(formula, rows, design, prior=prior, sd_scale=0.5)


def poll(factors):
    """A simulated poll of 10,000, cells of five columns."""
    rows, states = read("poll_cells"), read("poll_states")
    place = np.searchsorted(states["state"], rows["state"])
    rows["region"], rows["prev"] = states["region"][place], states["prev"][place]
    ones = one(rows["n"])
    X = {"Intercept": ones, "female": rows["female"], "prev": rows["prev"]}
    terms = [(f, level(rows[f]), {"Intercept": ones}) for f in ("state", "age", "edu")]
    formula = "votes | trials(n) ~ female + prev + (1 | state) + (1 | age) + (1 | edu)"
    if factors == 5:
        formula += " + (1 | region) + (1 | age:edu)"
        terms.append(("region", level(rows["region"]), {"Intercept": ones}))
        terms.append(("age:edu", level(rows["age"], rows["edu"]), {"Intercept": ones}))
    prior = ["tau ~ half_normal(1)", "beta ~ normal(0, 2.5)"]
    design = Design(rows["votes"], X, terms, trials=rows["n"], centred=("state",))
    return Case(formula, rows, design, prior=prior, sd_scale=1.0, beta_sd=2.5)


def empty_year():
    rows = read("empty_year")
    ones = one(rows["c"])
    X = {"Intercept": ones, **dummies("year", rows["year"], "y0")}
    terms = [("site", level(rows["site"]), {"Intercept": ones})]
    prior = ["beta ~ normal(0, 3)"]
    formula, design = "c ~ year + (1 | site)", Design(rows["c"], X, terms)
    return Case(formula, rows, design, "poisson", prior, beta_sd=3.0)


def fifteen_groups():
    """60 counts drawn as below; in faults of draws that did not agree with tables."""
    rng = np.random.default_rng(4)
    g = np.repeat(np.arange(15), 4)
    x = rng.standard_normal(60)
    y = rng.poisson(np.exp(-1 + 1.2 * rng.standard_normal(15)[g] + 0.3 * x))
    rows = {"y": y, "x": x, "g": g}
    ones = one(x)
    design = Design(y * 1.0, {"Intercept": ones, "x": x}, [("g", level(g), {"Intercept": ones})])
    return Case("y ~ x + (1 | g)", rows, design, "poisson")


COUNTS = {
    "cbpp": lambda: cbpp(False),
    "seeds": seeds_flat,
    "bacteria": lambda: bacteria(False),
    "bacteria_slopes": lambda: bacteria(True),
    "fifteen_groups": fifteen_groups,
    "empty_year": empty_year,
    **{f"beta_blockers_{n}": (lambda n=n: beta_blockers(n)) for n in (22, 6, 9, 15, 16)},
    "toenail": toenail,
    "contraception_slopes": contraception,
    "cbpp_row_effect": lambda: cbpp(True),
    "epil_row_effect": epil,
    "poll_3_factors": lambda: poll(3),
    "poll_5_factors": lambda: poll(5),
    "verbal_aggression": verbal_aggression,
}


def sleepstudy(subjects):
    rows = read(PACKAGED / "sleepstudy.csv")
    first = np.unique(rows["subject"])[:subjects]
    rows = {k: v[np.isin(rows["subject"], first)] for k, v in rows.items()}
    ones = one(rows["days"])
    columns = {"Intercept": ones, "days": rows["days"]}
    design = Design(rows["reaction"], columns, [("subject", level(rows["subject"]), columns)])
    return Case("reaction ~ days + (days | subject)", rows, design)


def oats():
    """Yates (1935): varieties in blocks, four doses of nitrogen."""
    rows = read("oats")
    ones = one(rows["nitro"])
    terms = [
        ("block", level(rows["block"]), {"Intercept": ones}),
        ("block:variety", level(rows["block"], rows["variety"]), {"Intercept": ones}),
    ]
    X = {"Intercept": ones, "nitro": rows["nitro"]}
    design = Design(rows["yield"], X, terms)
    return Case("yield ~ nitro + (1 | block/variety)", rows, design)


def machines(correlated):
    """Milliken and Johnson (1992): scores of six workers on three machines."""
    rows = read("machines")
    ones = one(rows["score"])
    X = {"Intercept": ones, **dummies("machine", rows["machine"], "A")}
    terms = [("worker", level(rows["worker"]), X if correlated else {"Intercept": ones})]
    if not correlated:
        terms.append(("worker:machine", level(rows["worker"], rows["machine"]), terms[0][2]))
    term = "(machine | worker)" if correlated else "(1 | worker/machine)"
    return Case(f"score ~ machine + {term}", rows, Design(rows["score"], X, terms))


def pastes():
    """Davies and Goldsmith (1972): casks in batches of a chemical paste."""
    rows = read("pastes")
    ones = {"Intercept": one(rows["strength"])}
    terms = [
        ("batch", level(rows["batch"]), ones),
        ("batch:cask", level(rows["batch"], rows["cask"]), ones),
    ]
    return Case("strength ~ 1 + (1 | batch/cask)", rows, Design(rows["strength"], ones, terms))


def orthodont():
    """Potthoff and Roy (1964): growth of 27 children."""
    rows = read("orthodont")
    columns = {"Intercept": one(rows["age"]), "age": rows["age"]}
    design = Design(rows["distance"], columns, [("subject", level(rows["subject"]), columns)])
    return Case("distance ~ age + (age | subject)", rows, design)


LINEAR = {
    "oats": oats,
    "machines": lambda: machines(False),
    "pastes": pastes,
    "sleepstudy": lambda: sleepstudy(18),
    **{f"sleepstudy_{n}": (lambda n=n: sleepstudy(n)) for n in (3, 4, 5, 6)},
    "orthodont": orthodont,
    "machines_correlated": lambda: machines(True),
}
