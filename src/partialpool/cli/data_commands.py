"""Commands about data, worlds and the app. What each does is imported when it runs."""

from __future__ import annotations

from typing import Any

import click

from partialpool.cli import options as shared
from partialpool.cli.reading import file_options


@click.command("statistics")
@shared.DATA
@shared.FORMULA
@shared.FAMILY
@shared.EVENT
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
@shared.DEBUG
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


@click.command("simulate")
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
    type=click.Choice(shared.WORLDS),
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
@shared.JSON
@shared.DEBUG
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


@click.command("effect-size")
@click.argument("measure")
@shared.DATA
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
@shared.output_options
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


@click.command("app")
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
@shared.DEBUG
def app_command(**options: object) -> None:
    """Open the web app: a lesson, a laboratory with known truth, and your own FILE."""
    from partialpool.cli.app import AppOptions, run

    run(AppOptions(**options))  # type: ignore[arg-type]


@click.command("datasets")
@shared.JSON
def datasets_command(as_json: bool) -> None:
    """List the bundled data sets, each with the formula to start with."""
    from partialpool.cli.datasets import run

    run(as_json)
