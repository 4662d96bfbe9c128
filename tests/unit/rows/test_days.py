"""Dates as predictors: days since the earliest, through every door."""

import datetime as dt
from functools import cache

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import partialpool as pp
from doors import DOORS, through

RNG = np.random.default_rng(12)
DAYS = RNG.integers(0, 900, 60).astype(float)
DAYS[7] = 0.0
DATA = pd.DataFrame(
    {
        "g": [f"site {i}" for i in np.arange(60) % 6],
        "date": pd.Timestamp("2021-03-05") + pd.to_timedelta(DAYS, unit="D"),
        "days": DAYS,
        "x": RNG.normal(size=60),
    }
)
DATA["y"] = 2 + 0.01 * DAYS + RNG.normal(size=6)[np.arange(60) % 6] + RNG.normal(size=60)
DATA["n"] = RNG.poisson(3 + DAYS / 300)
NAME = 'days(date, "2021-03-05")'
TEXTS = DATA.assign(date=DATA["date"].dt.strftime("%Y-%m-%d"))
FORMS = {
    "y ~ {} + (1 | g)": "reml",
    "y ~ {} * x + (1 | g)": "reml",
    "y ~ I({} / 365) + (1 | g)": "reml",
    "y ~ poly({}, 2) + x + (1 | g)": "reml",
    "y ~ scale({}) + (0 + x | g)": "reml",
}


def means(fit):
    return [row["mean"] for row in fit.to_dict()["parameters"]]


@cache
def by_numbers(formula, method="reml"):
    """The means of a model of days as numbers, whose data never change."""
    return means(pp.fit(formula, DATA, method=method))


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("data", [DATA, TEXTS], ids=["dates", "texts"])
def test_days_through_every_door(door, data, tmp_path, monkeypatch):
    rows = through(door, tmp_path, data.drop(columns="days"), monkeypatch)
    for form, method in FORMS.items():
        fit = pp.fit(form.format("date"), rows, method=method)
        want = by_numbers(form.format("days"), method)
        np.testing.assert_allclose(means(fit), want, rtol=1e-7, atol=1e-10)
        (notice,) = [n.text for n in fit.notices if n.code == "dates"]
        assert "days since 2021-03-05, the earliest" in notice
        if form == "y ~ {} + (1 | g)":
            assert NAME in [p["name"] for p in fit.to_dict()["parameters"]]


@pytest.mark.parametrize("door", ["pandas", "polars", "duckdb", "csv", "parquet", "excel"])
def test_new_rows_count_from_the_same_day(door, tmp_path, monkeypatch):
    rows = through(door, tmp_path, DATA, monkeypatch)
    fit = pp.fit("y ~ date + (1 | g)", rows)
    want = pp.fit("y ~ days + (1 | g)", DATA)
    new = {"g": ["site 1", "site 2"], "date": [dt.date(2024, 1, 1), dt.date(2020, 1, 1)]}
    since = [(day - dt.date(2021, 3, 5)).days for day in new["date"]]
    right = want.predict({"g": new["g"], "days": since})
    for given in (new, {**new, "date": [str(day) for day in new["date"]]}):
        table = fit.predict(given)
        np.testing.assert_allclose(table["estimate"], right["estimate"], rtol=1e-6)
    more = fit.update({**new, "y": [3.0, 4.0]})
    assert more.statistics.n_rows == 62
    assert more.formula == fit.formula


def test_counts_and_slopes_take_dates_too():
    fit = pp.fit("n ~ date + (1 | g)", DATA, family="poisson", method="ml")
    want = pp.fit("n ~ days + (1 | g)", DATA, family="poisson", method="ml")
    np.testing.assert_allclose(means(fit), means(want), rtol=1e-7)
    assert fit.formula == f"n ~ 1 + {NAME} + (1 | g)"
    slopes = pp.fit("y ~ date + (date | g)", DATA, method="reml")
    assert [e["term"] for e in slopes.to_dict()["groups"][:2]] == ["Intercept", NAME]


def test_times_count_parts_of_days():
    times = DATA["date"] + pd.to_timedelta(RNG.integers(0, 86400, 60), unit="s")
    days = (times - pd.Timestamp("2021-03-05")) / pd.Timedelta("1D")
    want = pp.fit("y ~ t + (1 | g)", DATA.assign(t=days), method="reml")
    zone = times.dt.tz_localize("UTC").dt.tz_convert("Asia/Tokyo")
    for column in (times, zone, times.dt.strftime("%Y-%m-%d %H:%M:%S"), times.astype(object)):
        for door in ("pandas", "polars", "arrow", "duckdb"):
            rows = through(door, None, DATA.assign(date=column))
            fit = pp.fit("y ~ date + (1 | g)", rows, method="reml")
            np.testing.assert_allclose(means(fit), means(want), rtol=1e-7)


def test_an_origin_may_be_written():
    fit = pp.fit('y ~ days(date, "2000-01-01") + (1 | g)', DATA, method="reml")
    since = DATA["days"] + (dt.date(2021, 3, 5) - dt.date(2000, 1, 1)).days
    want = pp.fit("y ~ t + (1 | g)", DATA.assign(t=since), method="reml")
    np.testing.assert_allclose(means(fit), means(want), rtol=1e-6)
    asked = pp.fit("y ~ days(date) + (1 | g)", DATA, method="reml")
    assert asked.formula == f"y ~ 1 + {NAME} + (1 | g)"


def test_missing_dates_are_missing(tmp_path, monkeypatch):
    gaps = DATA["date"].where(np.arange(60) % 5 > 0)
    want = pp.fit("y ~ days + (1 | g)", DATA[np.arange(60) % 5 > 0], method="reml")
    for door in DOORS:
        folder = tmp_path / door
        folder.mkdir()
        rows = through(door, folder, DATA.assign(date=gaps), monkeypatch)
        fit = pp.fit('y ~ days(date, "2021-03-05") + (1 | g)', rows, method="reml")
        np.testing.assert_allclose(means(fit), means(want), rtol=1e-6, err_msg=door)
        assert fit.statistics.n_dropped == 12


def test_statistics_keep_the_origin(tmp_path):
    kept = pp.statistics("y ~ date + (1 | g)", DATA)
    kept.save(tmp_path / "s.parquet")
    again = pp.load_statistics(tmp_path / "s.parquet")
    assert again.formula == f"y ~ 1 + {NAME} + (1 | g)"
    fit = pp.fit_statistics(again, method="reml")
    want = pp.fit("y ~ days + (1 | g)", DATA, method="reml")
    np.testing.assert_allclose(means(fit), means(want), rtol=1e-7)
    assert "days(date" in pp.explain("y ~ date + (1 | g)", duckdb.from_df(DATA))


def test_categories_of_dates_are_asked_for():
    few = DATA.assign(date=pd.to_datetime(["2021-03-05", "2021-03-06", "2021-03-07"] * 20))
    fit = pp.fit("y ~ C(date) + (1 | g)", few, method="reml")
    assert len(means(fit)) == 5
    mixed = DATA.assign(date=np.where(np.arange(60) % 2, "2021-03-05", "later"))
    fit = pp.fit("y ~ date + (1 | g)", mixed, method="reml")
    assert fit.to_dict()["parameters"][1]["name"] == "date[later]"
    groups = pp.fit("y ~ 1 + (1 | date)", few).groups()
    assert len(groups) == 3


SAID = {
    "y ~ days(x) + (1 | g)": 'column "x" holds no dates, which days() counts',
    "y ~ days(x, 3) + (1 | g)": 'days() is written days(column), or days(column, "2024-01-31")',
    'y ~ days(date, "31.1.2024") + (1 | g)': "days() is written days(column)",
    'y ~ days(log(x), "2024-01-31") + (1 | g)': "days() is written days(column)",
    "date ~ x + (1 | g)": 'column "date" must hold numbers',
    "date ~ 1 + (1 | g)": 'column "date" must hold numbers',
    "y | se(date) ~ 1 + (1 | g)": 'column "date" must hold numbers',
}


@pytest.mark.parametrize("text", SAID)
@pytest.mark.parametrize("door", ["pandas", "polars", "arrow", "duckdb", "csv"])
def test_dates_are_refused_in_one_sentence(text, door, tmp_path):
    with pytest.raises(pp.PartialPoolError) as caught:
        pp.fit(text, through(door, tmp_path, DATA))
    assert SAID[text] in str(caught.value)


def test_new_rows_must_hold_dates():
    fit = pp.fit("y ~ date + (1 | g)", DATA)
    new = {"g": ["site 1"] * 3, "date": ["2024-01-01", "1.2.2024", "2024-02-30"]}
    with pytest.raises(pp.DataError, match=r'must hold dates; row 2 holds "1\.2\.2024"'):
        fit.predict(new)
    with pytest.raises(pp.DataError, match="a date is written as 2024-01-31"):
        fit.update(duckdb.from_df(pd.DataFrame({**new, "y": [1.0, 2, 3]})[:2]))


def test_dates_of_every_type():
    days = pl.Series([dt.date(2021, 3, 5) + dt.timedelta(int(d)) for d in DAYS])
    want = means(pp.fit("y ~ days + (1 | g)", DATA, method="reml"))
    arrow = pa.table(DATA.drop(columns="date")).append_column("date", days.to_arrow())
    for rows in (
        pl.DataFrame(DATA.drop(columns="date")).with_columns(date=days),
        pl.DataFrame(DATA.drop(columns="date")).with_columns(date=days).lazy(),
        arrow,
        duckdb.from_arrow(arrow),
        {**{k: DATA[k].to_numpy() for k in "yg"}, "date": DATA["date"].to_numpy()},
        {**{k: DATA[k].to_numpy() for k in "yg"}, "date": days.to_list()},
        DATA.assign(date=DATA["date"].dt.strftime("%Y-%m-%d").astype("category")),
    ):
        np.testing.assert_allclose(means(pp.fit("y ~ date + (1 | g)", rows, method="reml")), want,
                                   rtol=1e-7)  # fmt: skip


@pytest.mark.parametrize("kind", [pa.date32(), pa.timestamp("us")], ids=str)
def test_an_arrow_array_with_a_missing_date(kind):
    """Arrow copies such an array only where that is asked for."""
    days = [dt.date(2025, 1, 3) + dt.timedelta(k * k % 90) for k in range(40)]
    days[3] = None
    data = {
        "d": pa.array(days).cast(kind),
        "g": [f"g{k % 5}" for k in range(40)],
        "y": np.random.default_rng(0).normal(size=40),
    }
    fit = pp.fit("y ~ d + (1 | g)", data)
    assert 'days(d, "2025-01-03")' in fit.formula
    assert fit.statistics.n_used == 39


ORDERS = {
    "%d.%m.%Y": "dmy",
    "%d/%m/%Y": "dmy",
    "%m/%d/%Y": "mdy",
    "%d %b %Y": "dmy",
    "%d%b%Y": "dmy",
    "%d. %B %Y %H:%M": "dmy",
    "%B %d, %Y": "mdy",
    "%m-%d-%Y %H:%M:%S": "mdy",
    "%Y/%m/%d": "ymd",
}


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("form", ORDERS)
def test_texts_of_other_orders_through_every_door(form, door, tmp_path, monkeypatch):
    order = ORDERS[form]
    rows = DATA.assign(date=DATA["date"].dt.strftime(form)).drop(columns="days")
    fit = pp.fit("y ~ date + (1 | g)", through(door, tmp_path, rows, monkeypatch), method="reml")
    want = by_numbers("y ~ days + (1 | g)")
    np.testing.assert_allclose(means(fit), want, rtol=1e-6, atol=1e-9)
    ending = "" if order == "ymd" else f', "{order}"'
    assert f'days(date, "2021-03-05"{ending})' in fit.formula
    (notice,) = [n.text for n in fit.notices if n.code == "dates"]
    words = {"dmy": "day, month, year", "mdy": "month, day, year"}
    assert (words.get(order, "Texts") in notice) == (order != "ymd")
    new = {"g": ["site 1"] * 3, "date": [dt.date(2022, 7, 4), "2022-07-04", "2022/7/4"]}
    if order != "ymd":
        new = {"g": ["site 1"] * 4, "date": [*new["date"], dt.date(2022, 7, 4).strftime(form)]}
    assert len(set(np.round(fit.predict(new)["estimate"], 9))) == 1


@pytest.mark.parametrize("door", DOORS)
def test_an_order_that_no_date_tells_is_asked_for(door, tmp_path, monkeypatch):
    few = np.repeat([pd.Timestamp(2021, m, d) for m in range(1, 7) for d in (3, 11)], 5)
    rows = DATA.assign(date=pd.Series(few).dt.strftime("%d/%m/%Y")).drop(columns="days")
    data = through(door, tmp_path, rows, monkeypatch)
    with pytest.raises(pp.DataError, match=r'such as 03/01/2021, of which none says whether the '
                       r'day or the month comes first: write days\(date, "dmy"\)'):  # fmt: skip
        pp.fit("y ~ date + (1 | g)", data)
    for order, form in (("dmy", "%d/%m/%Y"), ("mdy", "%m/%d/%Y")):
        days = (pd.to_datetime(rows["date"], format=form) - pd.Timestamp(2021, 1, 3)).dt.days
        want = pp.fit("y ~ t + (1 | g)", DATA.assign(t=days), method="reml")
        fit = pp.fit(f'y ~ days(date, "{order}") + (1 | g)', data, method="reml")
        slopes = [means(f)[1] for f in (fit, want)]
        assert slopes[0] == pytest.approx(slopes[1], rel=1e-6)
        assert f'"{order}")' in fit.formula
        again = pp.fit(fit.formula, data, method="reml")
        assert means(again) == means(fit)
    points = rows.assign(date=rows["date"].str.replace("/", "."))
    fit = pp.fit("y ~ date + (1 | g)", points)  # with points the day comes first
    assert '"dmy")' in fit.formula


def test_texts_that_are_dates_in_no_one_order_stay_categories():
    mixed = DATA.assign(date=np.where(np.arange(60) % 2, "31/12/2021", "12/31/2021"))
    fit = pp.fit("y ~ date + (1 | g)", mixed, method="reml")
    assert fit.to_dict()["parameters"][1]["name"] == "date[31/12/2021]"
    with pytest.raises(pp.DataError, match='must hold dates; row 1 holds "12/31/2021"') as caught:
        pp.fit('y ~ days(date, "2021-01-01", "dmy") + (1 | g)', mixed)
    assert "it is a date such as 31.12.2024, or a date such as 2024-01-31" in str(caught.value)
