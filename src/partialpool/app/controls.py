"""The app's controls: what each may hold, how it is called, and one sentence of help.

A browser can send anything. `read` takes whatever came and gives a value that is allowed: the
default for what cannot be read, the nearest bound for what is out of range.
"""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Number:
    """A number on a slider.

    Parameters
    ----------
    name, label, help : str
        Name in the URL, label on the page, and one sentence of help.
    low, high, step, default : float
        Its range; values are multiples of the step above low, any if the step is 0.
    slider : bool
        Whether it is shown as a slider; a field otherwise.
    """

    name: str
    label: str
    help: str
    low: float
    high: float
    step: float
    default: float
    slider: bool = True

    def read(self, value: object) -> float:
        """Return the nearest allowed value; the default for what is not a number."""
        if isinstance(value, bool) or not isinstance(value, int | float | str):
            return self.default
        try:
            number = float(value)
        except (ValueError, OverflowError):
            return self.default
        if math.isnan(number):
            return self.default
        number = float(min(max(number, self.low), self.high))
        if not self.step:
            return number
        steps = round((number - self.low) / self.step)  # so that few digits say all of it
        return float(min(round(self.low + steps * self.step, 9), self.high))


@dataclass(frozen=True, slots=True)
class Choice:
    """One of several values; options are pairs of value and label."""

    name: str
    label: str
    help: str
    options: tuple[tuple[str, str], ...]
    default: str

    def read(self, value: object) -> str:
        """Return the value if it is allowed, the default otherwise."""
        known = [v for v, _ in self.options]
        return value if isinstance(value, str) and value in known else self.default


@dataclass(frozen=True, slots=True)
class Switch:
    """On or off."""

    name: str
    label: str
    help: str
    default: bool = False

    def read(self, value: object) -> bool:
        """Return whether it is on; the URL writes 1 and 0."""
        if isinstance(value, str) and value in ("0", "1"):
            return value == "1"
        return value if isinstance(value, bool) else self.default


Control = Number | Choice | Switch

SIMULATOR: tuple[Control, ...] = (
    Number("groups", "Number of groups", "How many schools, hospitals or players there are.",
           3, 50, 1, 12),
    Number("n", "Rows per group", "Students of a typical school; with more rows a group's own "
           "mean is less noisy.", 2, 200, 1, 15),
    Number("imbalance", "Imbalance of sizes", "0: all groups have the same number of rows; "
           "1: the largest has about seven times as many as the smallest.", 0, 1, 0.05, 0.7),
    Number("tau", "Between-group sd (tau)", "How different the groups truly are; 0: all alike.",
           0, 20, 0.1, 5),
    Number("sigma", "Within-group sd (sigma)", "How different the rows of one group are.",
           1, 30, 0.5, 10),
    Choice("population", "Shape of the population", "How the true group values are spread.",
           (("normal", "normal"), ("heavy_tailed", "heavy-tailed (t, 3 df)"),
            ("two_clusters", "two clusters"), ("outlier", "one outlying group")), "normal"),
    Choice("estimator", "Partial pooling by", "Who learns tau from the data: the full posterior "
           "carries its uncertainty along, the others plug one estimate in.",
           (("posterior", "full posterior"), ("moments", "method of moments (the classic)"),
            ("reml", "REML")), "posterior"),
    Switch("sigma_known", "sigma is known", "On: the estimators are told sigma, as in the "
           "classic simulator; off: they estimate it from the rows."),
    Number("seed", "Draw number (seed)", "The same number draws the same world: moving another "
           "control deforms it and leaves the noise as it is.", 0, 999_999, 1, 1,
           slider=False),
)  # fmt: skip


def read(controls: tuple[Control, ...], values: object) -> dict[str, float | str | bool]:
    """Read every control from a mapping of anything; see `Number.read` and its like."""
    get = values.get if hasattr(values, "get") else lambda _name: None
    return {c.name: c.read(get(c.name)) for c in controls}


SOURCE = Choice(
    "source",
    "What to look at",
    "The same pictures of a simulated world, of classic data, and of a file of yours.",
    (("simulate", "Simulate"), ("classic", "Classic data"), ("file", "Your file")),
    "simulate",
)
SHAPE = Choice(
    "shape",
    "The file holds",
    "What one row is: hits of at-bats are events of trials, birds seen in an hour are counts.",
    (
        ("rows", "measurements, one a row"),
        ("estimates", "estimates with their errors"),
        ("summaries", "n, mean, sd of each group"),
        ("proportions", "events of trials"),
        ("counts", "counts"),
        ("formula", "what a formula says"),
    ),
    "rows",
)
SECOND_IS = Choice(
    "second_is",
    "How it relates",
    "A tract lies in one county: it contains. A rater meets many films: it crosses.",
    (("contains", "contains the groups"), ("crossed", "crosses the groups")),
    "contains",
)
CONJUGATE = Choice(
    "conjugate",
    "Groups are spread",
    "How the groups' probabilities or rates are spread; the second knows no predictors.",
    (("normal", "normally, as log-odds or log rates"), ("beta", "as a beta or gamma distribution")),
    "normal",
)
HELD = Number("held_tau", "tau", "Left: complete pooling; right: no pooling.", 0, 1e100, 0, 0)
"""The tau at which estimates are shown; the page narrows its range to the data."""
