"""Options that several commands have, each said once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from partialpool.cli.reading import file_options, together

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

WORLDS = ["gaussian", "binomial", "poisson"]
FAMILIES = [*WORLDS, "negative_binomial", "beta_binomial"]


def _files_and_names(_: click.Context, __: click.Parameter, begun: str) -> list[CompletionItem]:
    """What the shell completes a DATA to: files, and names of bundled data sets."""
    from click.shell_completion import CompletionItem

    from partialpool.datasets import catalogue

    names = [CompletionItem(d.name) for d in catalogue if d.name.startswith(begun)]
    return [*names, CompletionItem(begun, type="file")]


DATA = click.argument("data", shell_complete=_files_and_names)
FORMULA = click.argument("formula", required=False)
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

METHOD = click.option(
    "--method",
    type=click.Choice(["posterior", "reml", "ml"]),
    default="posterior",
    show_default=True,
    help="The full posterior, or point estimates by (restricted) maximum likelihood.",
)
TOP = click.option(
    "--top", type=click.IntRange(min=1), metavar="N", help="Only the first N groups."
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
UNSEEN = click.option(
    "--unseen",
    type=click.Choice(["error", "new_group", "population"]),
    default="error",
    show_default=True,
    help="What a group stands for that is not in the data.",
)
PLOT_HELP = "Draw them to an .svg, .png, .pdf or .html file"
PLOT = click.option("--plot", metavar="FILE", help=f"{PLOT_HELP}.")
model_options = together(PRIOR, FAMILY, POPULATION, EVENT, file_options, ACCURACY)
output_options = together(OUT, CSV, JSON, DEBUG)
