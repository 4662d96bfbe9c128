"""Commands that fit models. What each does is imported when it runs: help needs none of it."""

from __future__ import annotations

import click

from partialpool.cli import options as shared
from partialpool.cli.reading import file_options
from partialpool.words.sorting import SORTS


@click.command("fit")
@shared.DATA
@shared.FORMULA
@click.option(
    "--prior",
    "priors",
    multiple=True,
    metavar="TEXT",
    help='A prior, such as "tau ~ half_cauchy(5)" or "floor ~ normal(0, 10)"; may be repeated.',
)
@shared.METHOD
@click.option(
    "--quadrature",
    type=int,
    metavar="K",
    help="Counts by ml: nodes of the quadrature rule over groups; 1 (Laplace) if not given.",
)
@shared.ACCURACY
@shared.FAMILY
@shared.POPULATION
@shared.EVENT
@file_options
@shared.INTERVAL
@click.option("--hdi", is_flag=True, help="Shortest (highest-density) instead of equal-tailed.")
@click.option("--profile", is_flag=True, help="With reml or ml: also profile-likelihood intervals.")
@click.option(
    "--sort",
    type=click.Choice(SORTS),
    help="Order of the groups within each effect: labels upward, numbers downward.",
)
@click.option(
    "--top", type=click.IntRange(min=1), metavar="N", help="Only the first N groups of each effect."
)
@shared.FACTOR
@click.option("--term", metavar="NAME", help="Of several effects, only this one, such as a slope.")
@shared.GROUPS
@shared.ABOVE
@click.option(
    "--exp",
    is_flag=True,
    help="Tables and forest as exp of the outcome, or of the link of counts: odds ratios of log "
    "odds ratios, with the line of no effect at 1.",
)
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON.")
@click.option("--csv", "as_csv", is_flag=True, help="Print the table of groups as CSV.")
@click.option("--out", metavar="FILE", help="Write the groups to a .csv, .parquet or .xlsx file.")
@click.option(
    "--plot",
    metavar="FILE",
    help=f"{shared.PLOT_HELP}: those shown, and of more than 60 the highest and the lowest.",
)
@click.option("--report", metavar="FILE", help="Write one self-contained .html page.")
@click.option("--explain", is_flag=True, help="Print the queries that would run, and stop.")
@shared.DEBUG
def fit_command(**options: object) -> None:
    """Fit DATA with FORMULA and print the posterior of every group.

    DATA is a CSV or Parquet file (or a glob of them), a table of a DuckDB database
    (file.duckdb::table), - for CSV from standard input, or the name of a bundled data set (see
    `partialpool datasets`), whose formula need not be given; nor need that of statistics (see
    `partialpool statistics`): a glob of such files is combined.

    FORMULA is outcome ~ 1 + (1 | group). Predictors: outcome ~ x * kind + (1 | group); slopes
    that vary: (x | group); nested groups: (1 | county/tract); crossed: (1 | a) + (1 | b). Known
    standard errors: outcome | se(column) ~ ...; only n, mean and sd of each group:
    mean | summary(n, sd) ~ ...; precision weights: outcome | weights(column) ~ ... Column names
    with spaces go between backquotes.

    Printed are the coefficients (Intercept, ...), tau (standard deviation between groups), sigma
    (within), and for each group its own value (raw), its posterior mean (estimate), sd, interval,
    and shrinkage (0 no pooling, 1 complete pooling).

    \b
    partialpool fit scores.csv "score ~ 1 + (1 | school)"
    partialpool fit trials.csv "effect | se(se) ~ 1 + (1 | site)" --prior "tau ~ half_normal(5)"
    partialpool fit bcg --exp --plot forest.svg
    partialpool fit radon "log_radon ~ floor + (floor | county)" --method reml
    partialpool fit batting.csv "hits | trials(at_bats) ~ 1 + (1 | player)"
    partialpool fit seeds "germinated | trials(seeds) ~ extract + (1 | plate)" --method ml
    partialpool fit eight_schools
    """
    from partialpool.cli.fit import FitOptions, run

    run(FitOptions(**options))  # type: ignore[arg-type]


@click.command("compare")
@shared.DATA
@shared.FORMULA
@click.option(
    "--with",
    "estimators",
    multiple=True,
    metavar="NAME",
    help="A classical estimator to add, such as reml or james_stein; may be repeated.",
)
@shared.model_options
@shared.TOP
@shared.output_options
def compare_command(**options: object) -> None:
    """No, complete and partial pooling of DATA side by side, and how well each predicts."""
    from partialpool.cli.compare import CompareOptions, run

    run(CompareOptions(**options))  # type: ignore[arg-type]


@click.command("compare-models")
@shared.DATA
@click.argument("formulas", nargs=-1, metavar="FORMULA...")
@shared.PRIOR
@click.option(
    "--or-prior",
    "other_priors",
    multiple=True,
    metavar="TEXT",
    help="Each formula also with this prior in place of those of --prior; may be repeated.",
)
@click.option(
    "--family",
    "families",
    multiple=True,
    metavar="[" + "|".join(shared.FAMILIES) + "]",
    help="How the outcome is distributed; repeated, each formula with each.",
)
@click.option(
    "--population",
    "populations",
    multiple=True,
    metavar="WORD",
    help="What groups come from; repeated, each formula with each.",
)
@shared.FACTOR
@shared.EVENT
@file_options
@shared.ACCURACY
@shared.output_options
def compare_models_command(**options: object) -> None:
    """Fit DATA with every FORMULA, and score how well each predicts groups it has not seen.

    The same outcome, rows and groups in all. Printed are leave-one-group-out scores (elpd), their
    differences with standard errors, and stacking weights.

    \b
    partialpool compare-models radon "log_radon ~ floor + (1 | county)" "log_radon ~ (1 | county)"
    partialpool compare-models eight_schools --or-prior "tau ~ half_normal(5)"
    """
    from partialpool.cli.compare_models import CompareModelsOptions, run

    run(CompareModelsOptions(**options))  # type: ignore[arg-type]


@click.command("sensitivity")
@shared.DATA
@shared.FORMULA
@shared.PLOT
@shared.model_options
@shared.output_options
def sensitivity_command(**options: object) -> None:
    """What the answers of DATA owe to the prior: under other priors, and powers of it.

    Printed are the parameters, and the groups that move most, under each prior of tau of a menu
    and under powers 0.8 and 1.25 of prior and likelihood, with their shifts in posterior sds.

    \b
    partialpool sensitivity eight_schools
    partialpool sensitivity eight_schools --prior "tau ~ half_normal(5)" --plot sensitivity.svg
    """
    from partialpool.cli.sensitivity import SensitivityOptions, run

    run(SensitivityOptions(**options))  # type: ignore[arg-type]


@click.command("influence")
@shared.DATA
@shared.FORMULA
@shared.FACTOR
@shared.TOP
@shared.model_options
@shared.output_options
def influence_command(**options: object) -> None:
    """Leave out each group of DATA in turn: what moves, and how well the others predict it.

    \b
    partialpool influence eight_schools
    partialpool influence sleepstudy --top 5
    """
    from partialpool.cli.influence import InfluenceOptions, run

    run(InfluenceOptions(**options))  # type: ignore[arg-type]


@click.command("check")
@shared.DATA
@shared.FORMULA
@click.option("--groups", is_flag=True, help="One row a group, in place of one row a check.")
@shared.PLOT
@shared.model_options
@shared.output_options
def check_command(**options: object) -> None:
    """Do DATA look as the model of FORMULA expects: groups, noise, counts, what is left out.

    Printed is of each check what was observed, what 95% of data would show if the model held, and
    the p-value; then what does not hold, and what to do.

    \b
    partialpool check sleepstudy
    partialpool check visits.csv "bought | trials(visits) ~ 1 + (1 | segment)" --plot check.svg
    """
    from partialpool.cli.check import CheckOptions, run

    run(CheckOptions(**options))  # type: ignore[arg-type]


@click.command("rank")
@shared.DATA
@shared.FORMULA
@click.option(
    "--top",
    default=1,
    show_default=True,
    metavar="K",
    help="The probability to be among the first K is told.",
)
@click.option("--lowest", is_flag=True, help="Rank 1 is the lowest.")
@shared.FACTOR
@click.option(
    "--term",
    default="Intercept",
    show_default=True,
    metavar="NAME",
    help="The effect by which they are ranked, such as a slope that varies.",
)
@shared.GROUPS
@shared.ABOVE
@shared.PLOT
@shared.model_options
@click.option(
    "--interval",
    default=0.95,
    show_default=True,
    metavar="P",
    help="Probability of the rank intervals.",
)
@shared.output_options
def rank_command(**options: object) -> None:
    """Who is really best: ranks of the groups of DATA, with how sure they are.

    With predictors, slopes or several factors groups are ranked by their deviation, what
    predictors leave to them.

    \b
    partialpool rank eight_schools --top 3
    partialpool rank eight_schools --above average --plot ranks.svg
    partialpool rank batting.csv "hits | trials(at_bats) ~ 1 + (1 | player)" --top 5
    """
    from partialpool.cli.rank import RankOptions, run

    run(RankOptions(**options))  # type: ignore[arg-type]


@click.command("predict")
@shared.DATA
@click.argument("formula")
@click.argument("rows")
@click.option(
    "--target",
    type=click.Choice(["group", "new_group", "population"]),
    default="group",
    show_default=True,
    help="The groups named in the rows, groups not in the data, or the population.",
)
@shared.UNSEEN
@click.option(
    "--observation", is_flag=True, help="Of a new observation, or the events in new trials."
)
@shared.model_options
@shared.INTERVAL
@shared.output_options
def predict_command(**options: object) -> None:
    """Fit DATA with FORMULA and predict the rows of the file ROWS, with intervals.

    \b
    partialpool predict scores.csv "score ~ 1 + (1 | school)" new.csv --out predicted.csv
    partialpool predict scores.csv "score ~ 1 + (1 | school)" new.csv --target new_group
    """
    from partialpool.cli.predict import PredictOptions, run

    run(PredictOptions(**options))  # type: ignore[arg-type]


@click.command("average")
@shared.DATA
@click.argument("formula")
@click.argument("cells")
@click.option(
    "--by",
    multiple=True,
    metavar="A,B",
    help="One average for each combination of these columns of CELLS; may be repeated.",
)
@click.option("--weights", metavar="NAME", help="Column of weights, such as numbers of people.")
@click.option(
    "--contrast",
    metavar="COLUMN=A,B",
    help="Compare B with A: levels of a column of --by as they are, else each cell set to both.",
)
@click.option(
    "--kind",
    type=click.Choice(["difference", "ratio", "odds_ratio"]),
    default="difference",
    show_default=True,
    help="How the two are compared.",
)
@click.option(
    "--scale",
    type=click.Choice(["response", "link", "exp"]),
    default="response",
    show_default=True,
    help="Of the outcome, of linear predictors, or exp of their average.",
)
@click.option("--total", is_flag=True, help="Weighted sums in place of averages.")
@click.option(
    "--benchmark",
    type=float,
    metavar="X",
    help="With --total and --by: what the totals are known to add up to.",
)
@shared.UNSEEN
@click.option(
    "--observation", is_flag=True, help="Of new observations, as many as the weights say."
)
@click.option("--above", type=float, metavar="X", help="Tell P(above X).")
@click.option("--loss", is_flag=True, help="Tell which to choose, and what that may cost.")
@click.option("--lowest", is_flag=True, help="With --loss: the lowest is the best.")
@shared.model_options
@shared.INTERVAL
@shared.output_options
def average_command(**options: object) -> None:
    """Fit DATA with FORMULA and average its predictions over the rows of the file CELLS.

    With the people of each state by age and education in CELLS this is poststratification; with
    --contrast it is the average effect of a treatment.

    \b
    partialpool average poll.csv "yes ~ age + (1 | state)" people.csv --by state --family binomial
    partialpool average scores.csv "score ~ 1 + (1 | school)" new.csv --above 60
    """
    from partialpool.cli.average import AverageCommandOptions, run

    run(AverageCommandOptions(**options))  # type: ignore[arg-type]


@click.command("table")
@shared.DATA
@click.argument("formulas", nargs=-1, required=True)
@click.option("--markdown", "form", flag_value="markdown", help="Print as Markdown.")
@click.option("--latex", "form", flag_value="latex", help="Print as LaTeX (booktabs).")
@click.option("--html", "form", flag_value="html", help="Print as HTML.")
@click.option("--csv", "form", flag_value="csv", help="Print as CSV.")
@click.option("--names", metavar="A,B", help="What the models are called.")
@click.option("--intervals", is_flag=True, help="Intervals in place of sds.")
@click.option("--exp", is_flag=True, help="exp of the coefficients, with intervals.")
@shared.METHOD
@shared.model_options
@shared.INTERVAL
@shared.DEBUG
def table_command(**options: object) -> None:
    """Fit several FORMULAS to DATA and print their parameters side by side.

    \b
    partialpool table rats "weight ~ day + (1 | rat)" "weight ~ day + (day | rat)" --markdown
    """
    from partialpool.cli.table import TableOptions, run

    run(TableOptions(**options))  # type: ignore[arg-type]
