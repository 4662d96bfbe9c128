"""Bundled data sets: small, published, each with its source and a formula to start with.

Every loader returns a `Table` (a dict of columns). `catalogue` lists them.
"""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import dataclass
from importlib import resources

import numpy as np

from partialpool._table import Table
from partialpool._typing import AnyArray


@dataclass(frozen=True, slots=True)
class Dataset:
    """One bundled data set.

    Parameters
    ----------
    name : str
        What `partialpool fit NAME` and the loader are called.
    field : str
        Education, sports, ...
    formula : str
        The formula to start with.
    title, citation : str
        What it is, and where the figures were published.
    load : callable
        Returns the `Table`.
    story : str
        What makes it a classic, in two sentences.
    truth : callable, optional
        Returns what later became known of each row, in the units of the outcome; of counts the
        probability or rate.
    family : str, optional
        The family to fit, where the formula does not say it.
    unit : str
        What the outcome is measured in; nothing where it is a share or a count.
    """

    name: str
    field: str
    formula: str
    title: str
    citation: str
    load: Callable[[], Table]
    story: str = ""
    truth: Callable[[Table], AnyArray] | None = None
    family: str | None = None
    unit: str = ""


COUNTED = {"peregrine": "poisson", "salmonella": "poisson"}
"""Data whose formula does not say that they are counts."""


def _read(name: str) -> dict[str, AnyArray]:
    """Columns of a bundled CSV file: integers, floats or text, whichever fits all values."""
    text = resources.files(__name__).joinpath(f"{name}.csv").read_text(encoding="utf-8")
    header, *rows = csv.reader(text.splitlines())
    return {
        name: _column(list(values))
        for name, values in zip(header, zip(*rows, strict=True), strict=True)
    }


def _column(values: list[str]) -> AnyArray:
    for kind in (np.int64, np.float64):
        try:
            return np.array(values).astype(kind)
        except ValueError:
            continue
    return np.array(values, dtype=object)


def eight_schools() -> Table:
    """Effects of coaching on a verbal test in eight schools, with standard errors, rounded.

    Columns: school, effect and se (points of the SAT-V).

    Source: Rubin (1981), Journal of Educational Statistics 6, 377-401,
    doi:10.3102/10769986006004377; rounded as in Gelman et al., Bayesian Data Analysis, table 5.2.
    """
    return Table(_read("eight_schools"))


def eight_schools_unrounded() -> Table:
    """The eight schools with the decimals of the original report.

    Columns: school, effect and se (points of the SAT-V).

    Source: Rubin (1981), Journal of Educational Statistics 6, 377-401, table 1,
    doi:10.3102/10769986006004377.
    """
    return Table(_read("eight_schools_unrounded"))


def baseball() -> Table:
    """Batting of 18 major-league players in 1970: the first 45 at bats, and the rest.

    Columns: player; at_bats, hits; remaining_at_bats, remaining_average (the rest of the
    season, the truth to predict); arcsine = sqrt(at_bats) * arcsin(2 hits / at_bats - 1), whose
    standard error `se` is close to 1 whatever the player's ability.

    Source: Efron and Morris (1975), Journal of the American Statistical Association 70, 311-319,
    table 1, doi:10.1080/01621459.1975.10479864.
    """
    table = Table(_read("baseball"))
    n = table["at_bats"]
    table["average"] = table["hits"] / n
    table["arcsine"] = np.sqrt(n) * np.arcsin(2 * table["average"] - 1)
    table["se"] = np.ones(len(n))
    return table


def dyestuff() -> Table:
    """Yield of dyestuff (grams of standard colour) from five preparations of each of six batches.

    Columns: batch, yield.

    Source: Davies (ed., 1947), Statistical Methods in Research and Production, table 6.2; as
    studied by Box and Tiao (1973), Bayesian Inference in Statistical Analysis, section 5.1.2.
    """
    return Table(_read("dyestuff"))


def rats() -> Table:
    """Weights (grams) of 30 young rats on five days.

    Columns: rat (1 to 30), day (8 to 36), weight.

    Source: Gelfand, Hills, Racine-Poon and Smith (1990), Journal of the American Statistical
    Association 85, 972-985, table 3, doi:10.1080/01621459.1990.10474968.
    """
    return Table(_read("rats"))


def radon() -> Table:
    """Radon in 919 houses of 85 counties of Minnesota.

    Columns: county; floor (0 basement, 1 first floor); uranium (county's soil uranium, ppm);
    activity (radon, pCi/L); log_radon = log(activity + 0.1).

    Source: Price, Nero and Gelman (1996), Health Physics 71, 922-936,
    doi:10.1097/00004032-199612000-00009; studied in Gelman and Hill (2007), chapter 12.
    """
    table = Table(_read("radon"))
    table["log_radon"] = np.log(table["activity"] + 0.1)
    return table


def sleepstudy() -> Table:
    """Reaction times of 18 long-distance drivers over ten days of three hours' sleep a night.

    Columns: subject; days (0 to 9 of the restriction); reaction (average time, ms).

    Source: Belenky et al. (2003), Journal of Sleep Research 12, 1-12,
    doi:10.1046/j.1365-2869.2003.00337.x; the group with three hours in bed.
    """
    return Table(_read("sleepstudy"))


def penicillin() -> Table:
    """Zones of inhibition by six samples of penicillin on each of 24 plates: crossed groups.

    Columns: plate (a to x), sample (A to F), diameter (mm).

    Source: Davies and Goldsmith (eds., 1972), Statistical Methods in Research and Production,
    4th edition, table 6.6.
    """
    return Table(_read("penicillin"))


def high_school() -> Table:
    """Mathematics of 7,185 pupils in 160 schools, with predictors of pupils and of schools.

    Columns: school; sector (public or catholic); ses (the pupil's socio-economic status,
    standardised), school_ses (its mean in the school), relative_ses (their difference); math
    (score).

    Source: High School and Beyond, 1982 (National Center for Education Statistics), as studied
    by Raudenbush and Bryk (2002), Hierarchical Linear Models, 2nd edition, chapter 4.
    """
    table = Table(_read("high_school"))
    _, group = np.unique(table["school"], return_inverse=True)
    table["school_ses"] = (np.bincount(group, table["ses"]) / np.bincount(group))[group]
    table["relative_ses"] = table["ses"] - table["school_ses"]
    return table


def surgical() -> Table:
    """Deaths after cardiac surgery on infants in 12 hospitals.

    Columns: hospital (A to L), operations, deaths; arcsine = arcsin(sqrt(deaths / operations)),
    whose standard error is close to se = 1 / (2 sqrt(operations)) whatever the rate.

    Source: Spiegelhalter, Thomas, Best and Gilks (1996), BUGS Examples Volume 1, "Surgical".
    """
    table = Table(_read("surgical"))
    n = table["operations"]
    table["arcsine"] = np.arcsin(np.sqrt(table["deaths"] / n))
    table["se"] = 0.5 / np.sqrt(n)
    return table


def batting() -> Table:
    """The `baseball` data as counts: hits of at bats, for 18 players in 1970.

    Columns: player; at_bats, hits; remaining_at_bats, remaining_hits (the rest of the season,
    the truth to predict; hits from the published average, rounded).

    Source: Efron and Morris (1975), Journal of the American Statistical Association 70, 311-319,
    table 1, doi:10.1080/01621459.1975.10479864.
    """
    table = _read("baseball")
    rest = np.rint(table["remaining_average"] * table["remaining_at_bats"]).astype(np.int64)
    names = ("player", "at_bats", "hits", "remaining_at_bats")
    return Table({**{k: table[k] for k in names}, "remaining_hits": rest})


def surgical_deaths() -> Table:
    """The `surgical` data as counts: deaths of operations, in 12 hospitals.

    Columns: hospital (A to L), operations, deaths.

    Source: Spiegelhalter, Thomas, Best and Gilks (1996), BUGS Examples Volume 1, "Surgical".
    """
    return Table(_read("surgical"))


def seeds() -> Table:
    """Germination of seeds of two varieties of Orobanche on 21 plates, with two root extracts.

    Columns: plate, seeds, germinated, variety, extract.

    Source: Crowder (1978), Applied Statistics 27, 34-37, table 3, doi:10.2307/2346223.
    """
    return Table(_read("seeds"))


def cbpp() -> Table:
    """New cases of contagious bovine pleuropneumonia in 15 herds of zebu cattle, four periods.

    Columns: herd, period (1 to 4), size (animals at risk), incidence (new cases).

    Source: Lesnoff et al. (2004), Preventive Veterinary Medicine 64, 27-40,
    doi:10.1016/j.prevetmed.2004.03.005.
    """
    return Table(_read("cbpp"))


def contraception() -> Table:
    """Use of contraception among 1,934 women of 60 districts of Bangladesh.

    Columns: district, women (asked), users.

    Source: Huq and Cleland (1990), Bangladesh Fertility Survey 1989; studied in Ng, Carpenter,
    Goldstein and Rasbash (2006), Statistical Modelling 6, 23-42, doi:10.1191/1471082X06st106oa.
    """
    return Table(_read("contraception"))


def peregrine() -> Table:
    """Breeding pairs of the peregrine falcon in the French Jura in 40 years.

    Columns: year (1964 to 2003), pairs.

    Source: R.-J. Monneret, in Kery and Schaub (2012), Bayesian Population Analysis using WinBUGS,
    Academic Press, chapter 3.
    """
    return Table(_read("peregrine"))


def salmonella() -> Table:
    """Revertant colonies of salmonella on three plates at each of six doses of quinoline.

    Columns: dose (micrograms a plate), colonies.

    Source: Breslow (1984), Applied Statistics 33, 38-44, table 1, doi:10.2307/2347661.
    """
    return Table(_read("salmonella"))


def salamanders() -> Table:
    """Salamanders of seven species and stages in 23 streams of Kentucky, some below coal mines.

    Columns: site; mined (1: below mountaintop removal and valley fills, 11 streams; 0: reference,
    12 streams); species; surveys (visits in a year, 4), count (animals seen in these).

    Source: Price, Muncy, Bonner, Drayer and Barton (2016), Journal of Applied Ecology 53,
    459-468, doi:10.1111/1365-2664.12585.
    """
    return Table(_read("salamanders"))


def mailing() -> Table:
    """Answers to a letter of a Dutch charity, by segments of its givers.

    Segments are when the household last gave (within half a year, a year, two years, longer ago)
    and how many of its earlier letters it answered (up to 1/4, 1/2, 3/4, more). Columns: segment;
    mailed, answered (every tenth of 4,268 households); remaining_mailed, remaining_answered (the
    other nine tenths, the truth to predict). One segment of six households, none of them in the
    tenth, is left out.

    Source: Franses and Paap (2001), Quantitative Models in Marketing Research,
    doi:10.1017/CBO9780511753794; households as in the data of Wooldridge's Introductory
    Econometrics.
    """
    return Table(_read("mailing"))


def bcg() -> Table:
    """Cases of tuberculosis in 13 trials of the BCG vaccine, at latitudes from 13 to 55 degrees.

    Columns: trial (author and year), year, latitude (absolute, degrees), allocation (random,
    systematic or alternate); vaccinated_tb, vaccinated_no_tb, control_tb, control_no_tb (people
    with and without tuberculosis); log_rr, the logarithm of the risk ratio, and its standard error
    log_rr_se.

    Source: Colditz et al. (1994), Journal of the American Medical Association 271, 698-702,
    doi:10.1001/jama.1994.03510330076038; latitudes as in Berkey, Hoaglin, Mosteller and Colditz
    (1995), Statistics in Medicine 14, 395-411, doi:10.1002/sim.4780140406.
    """
    table = Table(_read("bcg"))
    cases = [table[k].astype(np.float64) for k in ("vaccinated_tb", "control_tb")]
    people = [
        c + table[k] for c, k in zip(cases, ("vaccinated_no_tb", "control_no_tb"), strict=True)
    ]
    table["log_rr"] = np.log(cases[0] / people[0]) - np.log(cases[1] / people[1])
    inverse = [1 / c - 1 / n for c, n in zip(cases, people, strict=True)]
    table["log_rr_se"] = np.sqrt(inverse[0] + inverse[1])
    return table


def _rest_of_the_season(table: Table) -> AnyArray:
    """Batting of the rest of the season on the arcsine scale of the first 45 at bats."""
    rest = 2 * table["remaining_average"] - 1
    return np.asarray(np.sqrt(table["at_bats"]) * np.arcsin(rest))


def _rest_of_the_hits(table: Table) -> AnyArray:
    """Batting average of the rest of the season."""
    return np.asarray(table["remaining_hits"] / table["remaining_at_bats"])


def _rest_of_the_letters(table: Table) -> AnyArray:
    """Share of the other households that answered."""
    return np.asarray(table["remaining_answered"] / table["remaining_mailed"])


STORIES = {
    "bcg": "Thirteen trials of one vaccine against tuberculosis, from no effect in Madras to risks "
    "lower by four fifths in Canada. Trials differ by far more than chance, and the distance from "
    "the equator explains most of that.",
    "eight_schools": "Coaching for a test was tried in eight schools, and the largest effect, 28 "
    "points, has a standard error of 15. Whether the schools differ at all cannot be told, and "
    "the honest answer lies between eight separate numbers and one.",
    "eight_schools_unrounded": "The same eight schools with the decimals of the original report. "
    "The rounding changes little, which is itself worth seeing.",
    "baseball": "After 45 at bats Clemente hit .400, and nobody keeps that up. Drawing all "
    "eighteen players toward their mean predicts the rest of the season (the crosses) with "
    "less than a third of the squared error.",
    "dyestuff": "Five preparations from each of six batches of dye: how much of the variation "
    "lies between batches? The classic of variance components, with few groups and a wide "
    "posterior.",
    "rats": "Thirty young rats were weighed on five days, and all grow along lines that are nearly "
    "straight, some faster than others. Each rat has a line of its own, drawn toward that of all.",
    "radon": "Houses are nested in counties: two of the 85 have over a hundred, many have two or "
    "three. The uranium in a county's soil is a predictor that all its houses share: separate "
    "intercepts would leave no room for it, and the hierarchical model estimates both.",
    "sleepstudy": "Eighteen people slept three hours a night, and reacted more slowly each day, "
    "some by 20 ms a day and some not at all. Each person has a line of their own, drawn toward "
    "that of all.",
    "penicillin": "Every sample was tested on every plate, so that plates and samples are "
    "crossed, not nested. Two spreads are learned at once, one much larger than the other.",
    "high_school": "How much does a pupil's background matter for mathematics, and does it "
    "matter less in Catholic schools? Intercepts and slopes differ by school, and predictors of "
    "the school explain part of both.",
    "batting": "The same eighteen players as counts, without the detour by the arcsine: hits of "
    "45 at bats, and a probability for each. The crosses are their averages in the rest of the "
    "season.",
    "surgical_deaths": "The twelve hospitals as counts: deaths of operations. Who is best is "
    "far from sure, and the ranks say how far.",
    "seeds": "Seeds germinated on 21 plates, some of a dozen seeds and some of eighty. Small "
    "plates are drawn in most.",
    "cbpp": "A disease of cattle in fifteen herds, counted in four periods. Some small herds had "
    "no case, which does not mean that they have no risk.",
    "contraception": "Women of sixty districts were asked, in some two and in one over a "
    "hundred. The districts' own proportions run from 0 to 1; the pooled ones do not.",
    "peregrine": "Pairs of a falcon, counted for forty years while it nearly vanished and "
    "came back. Years differ by far more than chance, so that pooling changes little.",
    "salmonella": "Colonies on three plates at each of six doses. With few plates a dose the "
    "counts of a dose inform each other.",
    "salamanders": "Streams below mines hold about a tenth of the salamanders of other streams, in "
    "every species. Some are rare and some streams poor, and both are learned at once.",
    "mailing": "Every tenth household tells how each segment answers a charity's letter, and in "
    "some segments that is one household, or four. Of four none answered, of one all: pooled "
    "estimates predict the other nine tenths (the crosses) with a quarter of the squared error.",
    "surgical": "Deaths after heart surgery on infants in twelve hospitals: one did 47 "
    "operations without any. Nobody believes that its risk is zero, and pooling says what to "
    "believe.",
}
UNITS = {
    "eight_schools": "points",
    "eight_schools_unrounded": "points",
    "dyestuff": "grams",
    "rats": "grams",
    "radon": "log pCi/L",
    "sleepstudy": "ms",
    "penicillin": "mm",
    "high_school": "points",
}
TRUTHS = {
    "baseball": _rest_of_the_season,
    "batting": _rest_of_the_hits,
    "mailing": _rest_of_the_letters,
}

catalogue: tuple[Dataset, ...] = tuple(
    Dataset(
        name,
        field,
        formula,
        title,
        citation,
        load,
        STORIES[name],
        TRUTHS.get(name),
        COUNTED.get(name),
        UNITS.get(name, ""),
    )
    for load, field, formula, title, citation in (
        (eight_schools, "education", "effect | se(se) ~ 1 + (1 | school)",
         "coaching effects in eight schools (rounded)", "Rubin 1981"),
        (eight_schools_unrounded, "education", "effect | se(se) ~ 1 + (1 | school)",
         "coaching effects in eight schools (as reported)", "Rubin 1981"),
        (baseball, "sports", "arcsine | se(se) ~ 1 + (1 | player)",
         "batting of 18 players, 45 at bats each, and the rest of the season",
         "Efron & Morris 1975"),
        (dyestuff, "industry", "yield ~ 1 + (1 | batch)",
         "yield of 30 preparations from 6 batches", "Davies 1947"),
        (rats, "biology", "weight ~ day + (day | rat)",
         "weights of 30 rats on 5 days", "Gelfand et al. 1990"),
        (radon, "environment", "log_radon ~ floor + log(uranium) + (1 | county)",
         "radon in 919 houses of 85 counties", "Price, Nero & Gelman 1996"),
        (sleepstudy, "medicine", "reaction ~ days + (days | subject)",
         "reaction times of 18 subjects over ten days of little sleep", "Belenky et al. 2003"),
        (penicillin, "industry", "diameter ~ 1 + (1 | plate) + (1 | sample)",
         "six samples of penicillin on each of 24 plates", "Davies & Goldsmith 1972"),
        (high_school, "education",
         "math ~ (school_ses + sector) * relative_ses + (relative_ses | school)",
         "mathematics of 7,185 pupils in 160 schools", "Raudenbush & Bryk 2002"),
        (surgical, "trials", "arcsine | se(se) ~ 1 + (1 | hospital)",
         "deaths after infant heart surgery in 12 hospitals", "Spiegelhalter et al. 1996"),
        (bcg, "trials", "log_rr | se(log_rr_se) ~ 1 + (1 | trial)",
         "log risk ratios of tuberculosis in 13 trials of the BCG vaccine", "Colditz et al. 1994"),
        (batting, "sports", "hits | trials(at_bats) ~ 1 + (1 | player)",
         "hits of 18 players, 45 at bats each, and in the rest of the season",
         "Efron & Morris 1975"),
        (surgical_deaths, "trials", "deaths | trials(operations) ~ 1 + (1 | hospital)",
         "deaths of operations in 12 hospitals", "Spiegelhalter et al. 1996"),
        (seeds, "biology", "germinated | trials(seeds) ~ variety * extract + (1 | plate)",
         "seeds germinated on 21 plates", "Crowder 1978"),
        (cbpp, "veterinary", "incidence | trials(size) ~ C(period) + (1 | herd)",
         "new cases of a cattle disease in 15 herds", "Lesnoff et al. 2004"),
        (contraception, "demography", "users | trials(women) ~ 1 + (1 | district)",
         "contraception among women of 60 districts", "Huq & Cleland 1990"),
        (peregrine, "ecology", "pairs ~ 1 + (1 | year)",
         "breeding pairs of peregrine falcons in 40 years", "Kery & Schaub 2012"),
        (salmonella, "biology", "colonies ~ 1 + (1 | dose)",
         "colonies on 18 plates at 6 doses", "Breslow 1984"),
        (salamanders, "ecology", "count | exposure(surveys) ~ mined + (1 | species) + (1 | site)",
         "salamanders of 7 species in 23 streams, mined or not", "Price et al. 2016"),
        (mailing, "marketing", "answered | trials(mailed) ~ 1 + (1 | segment)",
         "answers to a charity's letters by segment, and of the other households",
         "Franses & Paap 2001"),
    )
    for name in [load.__name__]
)  # fmt: skip
"""All bundled data sets."""

__all__ = [
    "Dataset",
    "baseball",
    "batting",
    "bcg",
    "catalogue",
    "cbpp",
    "contraception",
    "dyestuff",
    "eight_schools",
    "eight_schools_unrounded",
    "high_school",
    "mailing",
    "penicillin",
    "peregrine",
    "radon",
    "rats",
    "salamanders",
    "salmonella",
    "seeds",
    "sleepstudy",
    "surgical",
    "surgical_deaths",
]


def __dir__() -> list[str]:
    """Public names only."""
    return sorted(__all__)
