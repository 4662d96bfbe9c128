"""The user's file: what it answers is what the library says, for every kind of model."""

import io
import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

import partialpool as pp
from partialpool.app import file_groups
from partialpool.app.file_answers import percent
from partialpool.app.file_groups import plain
from partialpool.app.your_file import KINDS, YourFile, ending_of, shown_name
from partialpool.design.labels import natural_order
from partialpool.errors import PartialPoolError

GROUPS, ROWS = 9, 72


def frame():
    rng = np.random.default_rng(5)
    place = np.arange(ROWS) % GROUPS
    effect = rng.normal(0, 1, GROUPS)[place]
    x = rng.normal(0, 1, ROWS).round(3)
    trials = rng.integers(5, 30, ROWS)
    return pd.DataFrame({
        "site": [f"Site {i}" for i in place],
        "county": [f"County {i // 3}" for i in place],
        "year": 2020 + np.arange(ROWS) // GROUPS % 4,
        "x": x,
        "score": (50 + 5 * effect + 2 * x + rng.normal(0, 5, ROWS)).round(2),
        "se": rng.uniform(1, 3, ROWS).round(2),
        "won": rng.binomial(trials, 1 / (1 + np.exp(-effect))),
        "trials": trials,
        "passed": np.where(rng.random(ROWS) < 0.5 + 0.1 * effect, "yes", "no"),
        "accidents": rng.poisson(np.exp(1 + 0.5 * effect)),
        "hours": rng.uniform(1, 9, ROWS).round(2),
    })  # fmt: skip


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    found = tmp_path_factory.mktemp("file") / "upload-1.csv"
    frame().to_csv(found, index=False)
    return str(found)


BASE = {"outcome": "score", "groups": ["site"]}
X = [{"column": "x", "how": "number", "varies_by": ""}]
MODELS = {
    "measurements": (BASE, "score ~ 1 + (1 | site)", {}),
    "estimates": (BASE | {"outcomeKind": "estimate", "se": "se"},
                  "score | se(se) ~ 1 + (1 | site)", {}),
    "proportions": (BASE | {"outcome": "won", "outcomeKind": "proportion", "trials": "trials"},
                    "won | trials(trials) ~ 1 + (1 | site)", {}),
    "words": (BASE | {"outcome": "passed", "outcomeKind": "binary", "event": "no"},
              "passed ~ 1 + (1 | site)", {"family": "binomial", "event": "no"}),
    "counts": (BASE | {"outcome": "accidents", "outcomeKind": "count", "exposure": "hours"},
               "accidents | exposure(hours) ~ 1 + (1 | site)", {"family": "poisson"}),
    "gamma": (BASE | {"outcome": "accidents", "outcomeKind": "count", "population": "gamma"},
              "accidents ~ 1 + (1 | site)", {"family": "poisson", "population": "gamma"}),
    "student": (BASE | {"population": "student"}, "score ~ 1 + (1 | site)",
                {"population": "student"}),
    "point-normal": (BASE | {"population": "point_normal"}, "score ~ 1 + (1 | site)",
                     {"population": "point_normal"}),
    "regression": (BASE | {"predictors": X}, "score ~ 1 + x + (1 | site)", {}),
    "slopes": (BASE | {"predictors": [X[0] | {"varies_by": "site"}]},
               "score ~ 1 + x + (1 + x | site)", {}),
    "nested": (BASE | {"groups": ["site", "county"], "nested": True},
               "score ~ 1 + (1 | county/site)", {}),
    "crossed": (BASE | {"groups": ["site", "year"]}, "score ~ 1 + (1 | site) + (1 | year)", {}),
    "priors": (BASE | {"priors": "tau ~ half_normal(2)"}, "score ~ 1 + (1 | site)",
               {"prior": ["tau ~ half_normal(2)"]}),
    "logistic": (BASE | {"outcome": "passed", "outcomeKind": "binary", "predictors": X},
                 "passed ~ 1 + x + (1 | site)", {"family": "binomial"}),
    "formula": ({"formula": "log(score) ~ poly(x, 2) + (1 | site)"},
                "log(score) ~ poly(x, 2) + (1 | site)", {}),
}  # fmt: skip


@pytest.fixture(scope="module")
def fitted(path):
    """Each model once by its choices, and once as the library fits it."""
    known = {}

    def call(name):
        if name not in known:
            choices, formula, options = MODELS[name]
            file = YourFile(path, "my scores.csv")
            told = file.fit(choices)
            known[name] = file, told, pp.fit(formula, path, **options)
        return known[name]

    return call


@pytest.mark.parametrize("name", MODELS)
def test_every_kind_of_model_is_fitted_as_by_the_library(fitted, name):
    _, told, fit = fitted(name)
    assert told["formula"] == fit.formula
    first = told["effects"][0]
    table = fit.group_table()
    mine = [i for i in range(table.n_rows)
            if "factor" not in table
            or (table["factor"][i], table["term"][i]) == tuple(first.values())]  # fmt: skip
    rows = sorted(told["groups"]["rows"], key=lambda row: row["id"])
    assert [row["name"] for row in rows] == [str(table["group"][i]) for i in mine]
    for column, key in (("estimate", "estimate"), ("lower", "lower"), ("shrinkage", "shrinkage")):
        assert [row[key] for row in rows] == pytest.approx(table[column][mine], rel=1e-12)
    assert [row[0] for row in told["parameters"]["rows"]] == fit.parameter_table()["name"].tolist()
    assert json.loads(json.dumps(told, allow_nan=False)) == told
    assert [n["text"] for n in told["notices"]] == [n.text for n in fit.notices]


@pytest.mark.parametrize("name", MODELS)
def test_the_code_that_is_shown_gives_the_same_fit(fitted, path, name, tmp_path, monkeypatch):
    _, told, fit = fitted(name)
    monkeypatch.chdir(tmp_path)
    frame().to_csv("my scores.csv", index=False)
    names = {}
    exec(told["python"], names)
    assert names["fit"].group_table()["estimate"] == pytest.approx(
        fit.group_table()["estimate"], rel=1e-12
    )
    assert told["command"].startswith("partialpool fit 'my scores.csv' ")


def test_the_answer_names_the_highest_group_and_how_sure_that_is(fitted):
    file, told, fit = fitted("measurements")
    table, ranks = fit.group_table(), fit.rank_table()
    top = int(np.argmax(table["estimate"]))
    assert told["sentences"][0].startswith(f"{table['group'][top]} is highest: ")
    stated = float(told["sentences"][1].rsplit(" ", 1)[1].removesuffix("%."))
    assert stated == pytest.approx(100 * ranks["best"][top], abs=3)  # of 2,500 draws
    ranked = file.rank({"key": told["key"]})
    assert ranked["sentences"][1].endswith(f"{percent(float(ranks['best'][top]))}.")
    tau = fit.posterior["tau[site]"]
    assert f"{float(tau.median):.1f} (95% interval" in told["sentences"][2]
    drawn = (100 * fit.posterior.shrinkage().mean).round()
    assert f"{drawn.min():.0f}%" in told["sentences"][3]


@pytest.mark.parametrize("name", ["measurements", "estimates", "slopes", "crossed", "logistic"])
def test_probabilities_above_average_are_those_of_deviations(fitted, name):
    file, told, fit = fitted(name)
    for effect in told["effects"]:
        rows = file.groups(effect | {"sort": "group", "size": 99})["rows"]
        of = fit.posterior.effects(effect["factor"], term=effect["term"]).probability(above=0.0)
        assert {r["id"]: r["above"] for r in rows} == pytest.approx(dict(enumerate(of)), abs=1e-12)


@pytest.mark.parametrize("name", ["proportions", "counts", "gamma"])
def test_probabilities_above_average_of_counts_are_those_of_draws(fitted, name, monkeypatch):
    """Against draws of another seed; and where many groups are compared with a fixed mean."""
    _, told, fit = fitted(name)
    drawn = fit.draws(40_000, np.random.default_rng(1))
    truth = (drawn.groups(scale="link") > drawn["Intercept"][:, None]).mean(axis=0)
    above = [r["above"] for r in sorted(told["groups"]["rows"], key=lambda r: r["id"])]
    assert above == pytest.approx(truth, abs=0.035)  # 3.5 errors of 2,500 draws
    monkeypatch.setattr(file_groups, "MANY_GROUPS", 1)
    fixed = file_groups.group_table(fit, "site", "Intercept").above
    assert fixed == pytest.approx(
        fit.posterior.groups(scale="link").probability(above=float(fit.posterior["Intercept"].mean))
    )


def test_with_many_groups_a_fixed_mean_is_near_enough(monkeypatch):
    """The approximation for counts of many groups, against draws of mean and groups together."""
    rng = np.random.default_rng(2)
    groups = 300
    p = 1 / (1 + np.exp(-rng.normal(0, 0.7, groups)))
    data = {"g": np.arange(groups), "y": rng.binomial(20, p), "n": np.full(groups, 20)}
    fit = pp.fit("y | trials(n) ~ 1 + (1 | g)", data)
    near = file_groups.group_table(fit, "g", "Intercept").above
    drawn = fit.draws(10_000, np.random.default_rng(3))
    truth = (drawn.groups(scale="link") > drawn["Intercept"][:, None]).mean(axis=0)
    assert near == pytest.approx(truth, abs=0.03)


@pytest.mark.parametrize("name", MODELS)
def test_two_groups_are_compared_as_by_the_library(fitted, name):
    file, told, fit = fitted(name)
    effect = told["effects"][0]
    labels = file.fitted.table({}).labels
    found = file.contrast(effect | {"first": 2, "second": 1, "key": told["key"]})
    of = fit.posterior.contrast(
        {labels[2]: 1.0, labels[1]: -1.0}, effect["factor"], term=effect["term"]
    )
    assert found["above"] == pytest.approx(float(of.probability(above=0)), abs=1e-12)
    assert [found["lower"], found["upper"]] == pytest.approx(of.interval().tolist())
    area = np.trapezoid(found["density"], found["grid"])
    assert area == pytest.approx(1.0, abs=0.02)
    sure = max(found["above"], 1 - found["above"])
    assert f"with probability {percent(sure)}." in found["sentence"]


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("target", ["group", "new_group", "population"])
@pytest.mark.parametrize("observation", [False, True])
def test_a_new_row_is_predicted_as_by_the_library(fitted, name, target, observation):
    file, _, fit = fitted(name)
    row = {"site": "Site 3", "county": "County 1", "year": 2021, "x": 0.5, "trials": 12, "se": 2.0,
           "hours": 3.0}  # fmt: skip
    texts = {k: str(v).replace(".", ",") for k, v in row.items()}
    found = file.predict({"values": texts, "target": target, "observation": observation})
    truth = fit.predict({k: [v] for k, v in row.items()}, target=target, observation=observation)
    for key in ("estimate", "lower", "upper"):
        number = float(truth[key][0])  # JSON has no infinite ones
        assert found[key] == (pytest.approx(number, rel=1e-12) if np.isfinite(number) else None)
    assert found["sentence"].endswith(").")


def test_what_a_prediction_lacks_is_said(fitted):
    file, told, _ = fitted("regression")
    assert [f["column"] for f in told["fields"]] == ["site", "x"]
    with pytest.raises(PartialPoolError, match='a value is needed for "x"'):
        file.predict({"values": {"site": "Site 1"}})
    with pytest.raises(PartialPoolError, match='"x" is a number, not "many"'):
        file.predict({"values": {"site": "Site 1", "x": "many"}})
    with pytest.raises(PartialPoolError, match="target"):
        file.predict({"values": {"site": "Site 1", "x": "1"}, "target": "all"})


def test_a_group_that_is_not_in_the_file_is_a_new_one(fitted):
    file, _, fit = fitted("measurements")
    found = file.predict({"values": {"site": "Site 99"}})
    new = fit.predict({"site": ["Site 99"]}, unseen="new_group")
    assert found["estimate"] == pytest.approx(float(new["estimate"][0]))


@pytest.fixture(scope="module")
def many(tmp_path_factory):
    """A file of 3,000 groups, with names that are sorted and searched."""
    path = tmp_path_factory.mktemp("many") / "many.csv"
    rng = np.random.default_rng(1)
    place = np.repeat(np.arange(3000), 3)
    names = np.array([f"Site {i}" for i in range(2999)] + ["École Ünal Ⅳ"])
    y = rng.normal(0, 2, 3000)[place] + rng.normal(0, 3, len(place))
    pd.DataFrame({"site": names[place], "y": y}).to_csv(path, index=False)
    file = YourFile(str(path), "many.csv")
    file.fit({"outcome": "y", "groups": ["site"]})
    return file


def test_names_are_sorted_as_people_count(many):
    page = many.groups({"sort": "group", "size": 200, "page": 0})
    assert [row["name"] for row in page["rows"][:4]] == [
        "École Ünal Ⅳ", "Site 0", "Site 1", "Site 2"]  # fmt: skip
    assert page["rows"][11]["name"] == "Site 10"
    last = many.groups({"sort": "group", "size": 200, "page": 14})
    assert last["rows"][-1]["name"] == "Site 2998"
    assert last["pages"] == 15


def test_pages_hold_every_group_once_in_order(many):
    seen = []
    for page in range(30):
        found = many.groups({"sort": "estimate", "descending": True, "size": 100, "page": page})
        seen += found["rows"]
    assert sorted(row["id"] for row in seen) == list(range(3000))
    values = [row["estimate"] for row in seen]
    assert values == sorted(values, reverse=True)
    assert found["axis"] == many.groups({})["axis"]


@pytest.mark.parametrize(
    "sort", ["n", "raw", "estimate", "sd", "lower", "upper", "shrinkage", "above"]
)
def test_every_column_sorts(many, sort):
    for descending in (True, False):
        rows = many.groups({"sort": sort, "descending": descending, "size": 50})["rows"]
        key = {"raw": "own", "sd": "name"}.get(sort, sort)
        values = [row[key] for row in rows]
        if sort != "sd":
            assert values == sorted(values, reverse=descending)


@pytest.mark.parametrize(("text", "hits"), [("site 299", 10), ("ecole", 1), ("UNAL iv", 1),
                                            ("nothing", 0), ("", 3000), (5, 3000)])  # fmt: skip
def test_names_are_found_without_case_and_accents(many, text, hits):
    found = many.groups({"search": text})
    assert found["matched"] == hits
    assert found["total"] == 3000
    assert len(found["rows"]) == min(hits, 20)


@pytest.mark.parametrize(
    "request_",
    [{"page": 10**9}, {"page": -1}, {"page": "x"}, {"size": 10**9}, {"size": 0}, {"size": True},
     {"descending": "x"}],
)  # fmt: skip
def test_pages_beyond_the_end_are_the_nearest(many, request_):
    assert 1 <= len(many.groups(request_)["rows"]) <= 200


@pytest.mark.parametrize("sort", ["group; DROP", "cells", "__class__", 5, "best", "factor"])
def test_nothing_else_sorts(many, sort):
    with pytest.raises(PartialPoolError, match="cannot be sorted"):
        many.groups({"sort": sort})


def test_ranks_come_when_they_are_asked_for(fitted):
    file, _, fit = fitted("proportions")
    found = file.rank({"sort": "expected_rank", "size": 50})
    truth = fit.rank_table()
    order = np.argsort(truth["expected_rank"])
    assert [r["name"] for r in found["rows"]] == truth["group"][order].tolist()
    assert [h["key"] for h in found["head"]][-3:] == ["expected_rank", "rank_lower", "best"]
    assert found["rows"][0]["cells"][-3] == f"{truth['expected_rank'].min():.1f}"


@pytest.mark.parametrize("group", [-1, 10**9, "0", None, 1.0, True])
def test_only_groups_of_the_file_are_compared(fitted, group):
    file, _, _ = fitted("measurements")
    with pytest.raises(PartialPoolError, match=r"by its id|two different"):
        file.contrast({"first": group, "second": 1})


def test_results_of_other_choices_are_refused(path):
    file = YourFile(path, "scores.csv")
    with pytest.raises(PartialPoolError, match="nothing has been fitted"):
        file.groups({})
    key = file.fit(BASE)["key"]
    assert file.groups({"key": key})["total"] == GROUPS
    file.fit(BASE | {"priors": "tau ~ half_normal(1)"})
    with pytest.raises(PartialPoolError, match="belong to other choices"):
        file.groups({"key": key})


def test_files_are_named_after_the_users(fitted):
    file, _, fit = fitted("measurements")
    names = {}
    for kind in KINDS:
        names[kind], content = file.download(kind)
        if kind == "csv":
            assert pd.read_csv(io.BytesIO(content))["estimate"].to_numpy() == pytest.approx(
                fit.group_table()["estimate"])  # fmt: skip
        if kind == "json":
            assert json.loads(content) == json.loads(json.dumps(fit.to_dict()))
        if kind == "html":
            assert b"<svg" in content
            assert b"http" not in content.replace(b"http://www.w3.org", b"")
        if kind in ("xlsx", "parquet"):
            read = {"xlsx": pd.read_excel, "parquet": pd.read_parquet}[kind]
            assert (
                read(io.BytesIO(content))["group"].tolist() == fit.group_table()["group"].tolist()
            )
    assert names == {"html": "my scores-report.html", "csv": "my scores-groups.csv",
                     "json": "my scores-fit.json", "xlsx": "my scores-groups.xlsx",
                     "parquet": "my scores-groups.parquet"}  # fmt: skip
    with pytest.raises(PartialPoolError, match="is none of"):
        file.download("exe")


@pytest.mark.parametrize(
    ("name", "shown"),
    [("a/b/c.csv", "c.csv"), ("a\\b.csv", "b.csv"), ("a\n\x1b[1mb.csv", "a[1mb.csv"),
     ("👩\u200d🏫.csv", "👩\u200d🏫.csv"), ("x" * 500 + ".csv", None)],
)  # fmt: skip
def test_names_are_shown_whole_or_their_end(name, shown):
    found = shown_name(name)
    assert found == shown or (len(found) == 120 and found.endswith(".csv"))


@pytest.mark.parametrize("name", ["a.CSV", "a.csv.gz", "a.b.xlsx", "a.parq"])
def test_endings_are_known(name):
    assert name.lower().endswith(ending_of(name))


def test_numbers_in_names_count():
    names = ["a10", "a9", "A2", "a02", "9", "10", "b", "", "a9" * 3, "²", "a" + "9" * 5000]
    ordered = [names[i] for i in natural_order([plain(name) for name in names])]
    assert ordered[:3] == ["", "²", "9"]
    assert [n for n in ordered if n in ("a10", "a9", "A2")] == [
        "A2", "a9", "a10"]  # fmt: skip
    assert plain("ＡÉß") == "aess"


def test_what_is_given_in_percent_is_never_rounded_to_certainty():
    assert [percent(p) for p in (0, 0.001, 0.004, 0.5, 0.996, 1)] == [
        "0%", "<1%", "<1%", "50%", ">99%", "100%"]  # fmt: skip


def test_it_loads_without_what_a_browser_has_not():
    code = (
        "import sys; blocked = ('starlette', 'uvicorn', 'duckdb', 'altair', 'vl_convert', "
        "'multiprocessing', 'click', 'rich', 'pandas')\n"
        "for name in blocked: sys.modules[name] = None\n"
        "import partialpool.app.your_file"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
