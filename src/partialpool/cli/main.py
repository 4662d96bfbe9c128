"""Commands and options, and errors as one line with exit code 2."""

from __future__ import annotations

import gc
import sys
from typing import TYPE_CHECKING, Any

import click

from partialpool._version import __version__
from partialpool.cli.reading import file_options, together
from partialpool.errors import PartialPoolError
from partialpool.words.sorting import SORTS

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

WORLDS = ["gaussian", "binomial", "poisson"]
FAMILIES = [*WORLDS, "negative_binomial", "beta_binomial"]
COLLECTED_AFTER = 100_000
"""New objects after which Python looks for garbage. It looks after each 700 otherwise, and what is
imported makes none: a tenth of the CPU time of a small fit (benchmarks/cold_start.py)."""
HELP = {"help_option_names": ["-h", "--help"], "max_content_width": 100}
"""Also -h, and help as wide as its tables of examples need, where the terminal has room."""


def _files_and_names(_: click.Context, __: click.Parameter, begun: str) -> list[CompletionItem]:
    """What the shell completes a DATA to: files, and names of bundled data sets."""
    from click.shell_completion import CompletionItem

    from partialpool.datasets import catalogue

    names = [CompletionItem(d.name) for d in catalogue if d.name.startswith(begun)]
    return [*names, CompletionItem(begun, type="file")]


DATA = click.argument("data", shell_complete=_files_and_names)
PRIOR = click.option(
    "--prior",
    "priors",
    multiple=True,
    metavar="TEXT",
    help='A prior, such as "tau ~ half_cauchy(5)"; may be repeated.',
)
FAMILY = click.option(
    "--family",
    metavar="[" + "|".join(FAMILIES) + "]",
    help="How the outcome is distributed; trials() means binomial, exposure() poisson.",
)
POPULATION = click.option(
    "--population",
    metavar="WORD",
    help="What groups come from: normal, student or student(7), contaminated, point_normal; of "
    "binomial counts also beta, of poisson gamma.",
)
EVENT = click.option(
    "--event",
    metavar="WORD",
    help="Of an outcome of two words, such as yes and no, the one that is the event.",
)
ACCURACY = click.option(
    "--accuracy",
    type=float,
    metavar="X",
    help="Largest error of what is printed, in posterior sds (1e-10 to 0.5); less takes longer.",
)

OUT = click.option("--out", metavar="FILE", help="Write them to a .csv, .parquet or .xlsx file.")
CSV = click.option("--csv", "as_csv", is_flag=True, help="Print as CSV.")
JSON = click.option("--json", "as_json", is_flag=True, help="Print as JSON.")
DEBUG = click.option("--debug", is_flag=True, help="Show the traceback of an error.")
GROUPS = click.option(
    "--groups",
    metavar="A,B",
    help="Only these groups, in table, chart and files; a label with a comma goes in quotes.",
)
ABOVE = click.option(
    "--above",
    metavar="VALUE",
    help="Tell P(above VALUE), or above average: a number, or the word average.",
)
FACTOR = click.option("--factor", metavar="NAME", help="Of several factors, only this one.")
INTERVAL = click.option(
    "--interval", default=0.95, show_default=True, metavar="P", help="Probability of the intervals."
)
"""One option for all commands, so that it is said in one way."""
UNSEEN = click.option(
    "--unseen",
    type=click.Choice(["error", "new_group", "population"]),
    default="error",
    show_default=True,
    help="What a group stands for that is not in the data.",
)
PLOT_HELP = "Draw them to an .svg, .png, .pdf or .html file"
"""Options that several commands have."""
model_options = together(PRIOR, FAMILY, POPULATION, EVENT, file_options, ACCURACY)
output_options = together(OUT, CSV, JSON, DEBUG)


class Commands(click.Group):
    """The group of all commands; Ctrl-C leaves one line, and no empty one before it."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command that was asked for."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            raise click.exceptions.Exit(_interrupted()) from None
        except RuntimeError as error:
            if str(error) != "Query interrupted":  # what DuckDB makes of Ctrl-C within a query
                raise
            raise click.exceptions.Exit(_interrupted()) from None


@click.group(cls=Commands, context_settings=HELP)
@click.version_option(__version__, prog_name="partialpool")
def cli() -> None:
    """Honest estimates for many groups: exact partial pooling, without MCMC."""


@cli.command("fit")
@DATA
@click.argument("formula", required=False)
@click.option(
    "--prior",
    "priors",
    multiple=True,
    metavar="TEXT",
    help='A prior, such as "tau ~ half_cauchy(5)" or "floor ~ normal(0, 10)"; may be repeated.',
)
@click.option(
    "--method",
    type=click.Choice(["posterior", "reml", "ml"]),
    default="posterior",
    show_default=True,
    help="The full posterior, or point estimates by (restricted) maximum likelihood.",
)
@click.option(
    "--quadrature",
    type=int,
    metavar="K",
    help="Counts by ml: nodes of the quadrature rule over groups; 1 (Laplace) if not given.",
)
@ACCURACY
@FAMILY
@POPULATION
@EVENT
@file_options
@INTERVAL
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
@FACTOR
@click.option("--term", metavar="NAME", help="Of several effects, only this one, such as a slope.")
@GROUPS
@ABOVE
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
    help=f"{PLOT_HELP}: those shown, and of more than 60 the highest and the lowest.",
)
@click.option("--report", metavar="FILE", help="Write one self-contained .html page.")
@click.option("--explain", is_flag=True, help="Print the queries that would run, and stop.")
@DEBUG
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


@cli.command("compare")
@DATA
@click.argument("formula", required=False)
@click.option(
    "--with",
    "estimators",
    multiple=True,
    metavar="NAME",
    help="A classical estimator to add, such as reml or james_stein; may be repeated.",
)
@model_options
@click.option("--top", type=click.IntRange(min=1), metavar="N", help="Only the first N groups.")
@output_options
def compare_command(**options: object) -> None:
    """No, complete and partial pooling of DATA side by side, and how well each predicts."""
    from partialpool.cli.compare import CompareOptions, run

    run(CompareOptions(**options))  # type: ignore[arg-type]


@cli.command("compare-models")
@DATA
@click.argument("formulas", nargs=-1, metavar="FORMULA...")
@PRIOR
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
    metavar="[" + "|".join(FAMILIES) + "]",
    help="How the outcome is distributed; repeated, each formula with each.",
)
@click.option(
    "--population",
    "populations",
    multiple=True,
    metavar="WORD",
    help="What groups come from; repeated, each formula with each.",
)
@FACTOR
@EVENT
@file_options
@ACCURACY
@output_options
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


@cli.command("sensitivity")
@DATA
@click.argument("formula", required=False)
@click.option("--plot", metavar="FILE", help=f"{PLOT_HELP}.")
@model_options
@output_options
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


@cli.command("influence")
@DATA
@click.argument("formula", required=False)
@FACTOR
@click.option("--top", type=click.IntRange(min=1), metavar="N", help="Only the first N groups.")
@model_options
@output_options
def influence_command(**options: object) -> None:
    """Leave out each group of DATA in turn: what moves, and how well the others predict it.

    \b
    partialpool influence eight_schools
    partialpool influence sleepstudy --top 5
    """
    from partialpool.cli.influence import InfluenceOptions, run

    run(InfluenceOptions(**options))  # type: ignore[arg-type]


@cli.command("check")
@DATA
@click.argument("formula", required=False)
@click.option("--groups", is_flag=True, help="One row a group, in place of one row a check.")
@click.option("--plot", metavar="FILE", help=f"{PLOT_HELP}.")
@model_options
@output_options
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


@cli.command("rank")
@DATA
@click.argument("formula", required=False)
@click.option(
    "--top",
    default=1,
    show_default=True,
    metavar="K",
    help="The probability to be among the first K is told.",
)
@click.option("--lowest", is_flag=True, help="Rank 1 is the lowest.")
@FACTOR
@click.option(
    "--term",
    default="Intercept",
    show_default=True,
    metavar="NAME",
    help="The effect by which they are ranked, such as a slope that varies.",
)
@GROUPS
@ABOVE
@click.option("--plot", metavar="FILE", help=f"{PLOT_HELP}.")
@model_options
@click.option(
    "--interval",
    default=0.95,
    show_default=True,
    metavar="P",
    help="Probability of the rank intervals.",
)
@output_options
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


@cli.command("predict")
@DATA
@click.argument("formula")
@click.argument("rows")
@click.option(
    "--target",
    type=click.Choice(["group", "new_group", "population"]),
    default="group",
    show_default=True,
    help="The groups named in the rows, groups not in the data, or the population.",
)
@UNSEEN
@click.option(
    "--observation", is_flag=True, help="Of a new observation, or the events in new trials."
)
@model_options
@INTERVAL
@output_options
def predict_command(**options: object) -> None:
    """Fit DATA with FORMULA and predict the rows of the file ROWS, with intervals.

    \b
    partialpool predict scores.csv "score ~ 1 + (1 | school)" new.csv --out predicted.csv
    partialpool predict scores.csv "score ~ 1 + (1 | school)" new.csv --target new_group
    """
    from partialpool.cli.predict import PredictOptions, run

    run(PredictOptions(**options))  # type: ignore[arg-type]


@cli.command("average")
@DATA
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
@UNSEEN
@click.option(
    "--observation", is_flag=True, help="Of new observations, as many as the weights say."
)
@click.option("--above", type=float, metavar="X", help="Tell P(above X).")
@click.option("--loss", is_flag=True, help="Tell which to choose, and what that may cost.")
@click.option("--lowest", is_flag=True, help="With --loss: the lowest is the best.")
@model_options
@INTERVAL
@output_options
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


@cli.command("statistics")
@DATA
@click.argument("formula", required=False)
@FAMILY
@EVENT
@file_options
@click.option("--out", required=True, metavar="FILE", help="The .parquet file to write.")
@click.option(
    "--add",
    "added",
    multiple=True,
    metavar="FILE",
    help="Statistics of earlier rows to combine with (a file or a glob); may be repeated.",
)
@click.option(
    "--min-cell",
    default=1,
    show_default=True,
    metavar="K",
    help="Leave out the groups of fewer than K rows; only how many they are is written.",
)
@DEBUG
def statistics_command(**options: object) -> None:
    """Reduce DATA to what a fit of FORMULA needs, and write that in place of the rows.

    The file holds one record a group; docs/statistics.md says what it tells about the rows.
    Fit it, or several together, by its name.

    \b
    partialpool statistics monday.csv "score ~ 1 + (1 | school)" --out all.parquet
    partialpool statistics new.csv "score ~ 1 + (1 | school)" --add all.parquet --out all.parquet
    partialpool fit all.parquet
    partialpool fit "hospital-*.parquet"
    """
    from partialpool.cli.keep import KeepOptions, run

    run(KeepOptions(**options))  # type: ignore[arg-type]


@cli.command("simulate")
@click.option("--groups", default=12, show_default=True, help="Number of groups.")
@click.option(
    "--n", default=15, show_default=True, help="Rows a group; of counts, trials or exposure."
)
@click.option("--sizes", metavar="5,5,40", help="That of each group, in place of --groups and --n.")
@click.option(
    "--imbalance",
    type=click.FloatRange(0, 1),
    default=0.0,
    show_default=True,
    help="1: sizes range geometrically over a factor of seven around --n.",
)
@click.option(
    "--family",
    type=click.Choice(WORLDS),
    default="gaussian",
    show_default=True,
    help="Measurements, or counts of some family.",
)
@click.option(
    "--tau",
    type=float,
    help="Standard deviation between groups; of counts, of the link.  [default: 5; counts 0.5]",
)
@click.option("--sigma", type=float, help="Standard deviation within groups.  [default: 10]")
@click.option(
    "--mu",
    type=float,
    help="Population mean; of counts as log-odds or log rate.  [default: 70; counts -1]",
)
@click.option(
    "--population",
    help="normal, heavy_tailed, two_clusters or outlier; of counts normal, beta or gamma.",
)
@click.option(
    "--replicates", type=int, help="Worlds for the risks.  [default: 1000; of counts 200]"
)
@click.option("--seed", default=1, show_default=True, help="Seed of the noise.")
@click.option(
    "--sigma-known/--sigma-unknown",
    default=True,
    show_default=True,
    help="Whether the estimators are told sigma.",
)
@JSON
@DEBUG
def simulate_command(**options: object) -> None:
    """Draw a world whose truth is known, and what to expect of each estimator in such worlds."""
    from partialpool.cli.simulate import SimulateOptions, run

    run(SimulateOptions(**options))  # type: ignore[arg-type]


COLUMN_OPTIONS = (
    "events1", "n1", "non_events1", "events2", "n2", "non_events2", "mean1", "sd1", "mean2", "sd2",
    "time1", "time2", "r", "n", "events", "non_events",
)  # fmt: skip


def column_options(command: Any) -> Any:
    """The options that name the columns of figures."""
    for name in reversed(COLUMN_OPTIONS):
        option = f"--{name.replace('_', '-')}"
        command = click.option(option, name, metavar="COLUMN", help=None)(command)
    return command


@cli.command("effect-size")
@click.argument("measure")
@DATA
@column_options
@click.option("--add", type=float, metavar="X", help="What zero cells get.  [default: 0.5; PAS 0]")
@click.option(
    "--to",
    type=click.Choice(["only_zero", "all", "none"]),
    default="only_zero",
    show_default=True,
    help="To the cells of studies with a cell of zero, of all studies, or of none.",
)
@click.option(
    "--double-zero",
    type=click.Choice(["keep", "missing"]),
    default="keep",
    show_default=True,
    help="Studies with no events in both arms: as others, or without an effect.",
)
@click.option(
    "--correct/--no-correct",
    default=True,
    show_default=True,
    help="Take away the small-sample bias of SMD and ROM.",
)
@click.option(
    "--names",
    default="effect,se",
    show_default=True,
    metavar="A,B",
    help="What the new columns are called.",
)
@file_options
@output_options
def effect_size_command(**options: object) -> None:
    """Add effect sizes and their standard errors to DATA, one row a study.

    MEASURE and the columns that it takes, arm 1 being the treated, for example:

    \b
    OR   odds_ratio                    log odds ratio        --events1 --n1 --events2 --n2
    RR   risk_ratio                    log risk ratio        the same
    RD   risk_difference               difference of risks   the same
    SMD  standardised_mean_difference  Hedges' g             --mean1 --sd1 --n1 --mean2 --sd2 --n2
    MD   mean_difference               difference of means   the same
    ROM  ratio_of_means                log ratio of means    the same
    IRR  rate_ratio                    log rate ratio        --events1 --time1 --events2 --time2
    ZCOR fisher_z                      Fisher's z            --r --n
    PLO  logit_proportion              logit                 --events --n
    PAS  arcsine_proportion            arcsine of the root   --events --n

    Of counts --non-events1, --non-events2 and --non-events may stand in place of --n1, --n2, --n.

    \b
    partialpool effect-size PLO surgical_deaths --events deaths --n operations --out effects.csv
    """
    from partialpool.cli.effect_size import EffectSizeOptions, run

    columns = {name: options.pop(name) for name in COLUMN_OPTIONS}
    run(EffectSizeOptions(columns=columns, **options))  # type: ignore[arg-type]


@cli.command("table")
@DATA
@click.argument("formulas", nargs=-1, required=True)
@click.option("--markdown", "form", flag_value="markdown", help="Print as Markdown.")
@click.option("--latex", "form", flag_value="latex", help="Print as LaTeX (booktabs).")
@click.option("--html", "form", flag_value="html", help="Print as HTML.")
@click.option("--csv", "form", flag_value="csv", help="Print as CSV.")
@click.option("--names", metavar="A,B", help="What the models are called.")
@click.option("--intervals", is_flag=True, help="Intervals in place of sds.")
@click.option("--exp", is_flag=True, help="exp of the coefficients, with intervals.")
@click.option(
    "--method",
    type=click.Choice(["posterior", "reml", "ml"]),
    default="posterior",
    show_default=True,
    help="The full posterior, or point estimates by (restricted) maximum likelihood.",
)
@model_options
@INTERVAL
@DEBUG
def table_command(**options: object) -> None:
    """Fit several FORMULAS to DATA and print their parameters side by side.

    \b
    partialpool table rats "weight ~ day + (1 | rat)" "weight ~ day + (day | rat)" --markdown
    """
    from partialpool.cli.table import TableOptions, run

    run(TableOptions(**options))  # type: ignore[arg-type]


@cli.command("app")
@click.argument("file", required=False)
@click.option("--host", default="127.0.0.1", show_default=True, help="Where to listen.")
@click.option(
    "--port", type=click.IntRange(1, 65535), default=8000, show_default=True, help="Its port."
)
@click.option("--browser/--no-browser", default=True, help="Open a browser.")
@click.option(
    "--allow-host",
    multiple=True,
    metavar="NAME",
    help="A further name it is reached by; repeatable.",
)
@click.option(
    "--export",
    metavar="DIR",
    type=click.Path(file_okay=False),
    help="Write the app to a folder for any web server, and serve nothing.",
)
@click.option(
    "--pyodide",
    metavar="URL_OR_DIR",
    help="With --export: where the page fetches Python when a reader chooses a file; a folder is "
    "copied.  [default: the public distribution]",
)
@DEBUG
def app_command(**options: object) -> None:
    """Open the web app: a lesson, a laboratory with known truth, and your own FILE."""
    from partialpool.cli.app import AppOptions, run

    run(AppOptions(**options))  # type: ignore[arg-type]


@cli.command("datasets")
@JSON
def datasets_command(as_json: bool) -> None:
    """List the bundled data sets, each with the formula to start with."""
    from partialpool.cli.datasets import run

    run(as_json)


def main(arguments: list[str] | None = None) -> None:
    """Run the command; bad input is one line on standard error and exit code 2."""
    words = sys.argv[1:] if arguments is None else arguments
    gc.set_threshold(COLLECTED_AFTER)
    try:
        result = cli.main(words, prog_name="partialpool", standalone_mode=False)
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message())
        sys.exit(2)
    except click.ClickException as error:
        _fail(error.format_message())
    except (click.Abort, KeyboardInterrupt):
        sys.exit(_interrupted())
    except PartialPoolError as error:
        if "--debug" in words:
            raise
        _fail(str(error))
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(0)
    sys.exit(result if isinstance(result, int) else 0)


def _interrupted() -> int:
    """Say so, and return the exit code of a program that SIGINT ended (128 + 2)."""
    begin = "\n" if sys.stderr.isatty() else ""  # the terminal has written ^C on this line
    click.echo(f"{begin}partialpool: interrupted", err=True)
    return 130


def _fail(message: str) -> None:
    printable = "".join(c if c.isprintable() else " " for c in message)  # also no escape codes
    click.echo("partialpool: " + " ".join(printable.split()), err=True)
    sys.exit(2)
