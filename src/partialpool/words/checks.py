"""Do data look as the model says: every check in numbers, and in words what to do."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Generic

import numpy as np

from partialpool._markup import output, paragraph
from partialpool._markup import table as html_table
from partialpool._table import Table
from partialpool._typing import Frame
from partialpool.design.design import Design
from partialpool.design.labels import as_labels
from partialpool.design.rows_again import RowsAgain
from partialpool.kernels.compared import Compared
from partialpool.models.population_check import sidak
from partialpool.notices import Notice
from partialpool.posterior.argument_checks import checked_generator
from partialpool.posterior.checks import Finding, every_check
from partialpool.posterior.group_check import GroupCheck
from partialpool.words import formatting
from partialpool.words.population import outlying_groups

LEVEL = 0.01
"""P-value from which on a check is said not to hold: of the ten or so checks of a right model one
is, in one fit of ten."""
NOTABLE = 0.05
"""And from which on it is said to be worth a look."""
SEED = 20_260
"""Of the draws behind p-values, if no `rng` is given: the same fit gives the same digits."""

ADVICE: dict[str, str] = {
    "farthest group": "a group lies apart from what the others predict: check its rows; if it is "
    "of another kind, tell it by a predictor or leave it out",
    "tails of groups": "more groups lie far out than a normal population has: intervals of the "
    "most extreme rest on that shape; a predictor that tells kinds of groups apart may mend it",
    "skewness of groups": "groups reach farther to one side than to the other: a transformed "
    "outcome, such as its logarithm, may mend it",
    "value by size": "values go with the number of rows or trials: add the logarithm of the size "
    "of each group as a predictor",
    "noise by group": "groups differ in how noisy they are, or rows have heavy tails: one sigma "
    "makes intervals of noisy groups too short; add ; sigma ~ 1 + (1 | group) to the formula, "
    "which gives each group its own, or transform the outcome",
    "noise by value": "groups with higher values are noisier or calmer than others: fit the "
    "logarithm or square root of the outcome",
    "spread of groups": "the groups differ by more or less than the model expects of new ones: "
    "is the prior of tau in conflict with the data?",
    "spread of noise": "the groups' own sigmas differ by more or less than the model expects of "
    "new ones: is the prior of sd_log_sigma in conflict with the data, or is a group of another "
    "kind?",
    "groups without an event": "groups without an event are more than the population explains: if "
    "a group can be without events for a reason of its own, model that first",
    "dispersion of rows": "rows vary more than counts of this family can, and intervals are too "
    'short: let rows vary more (family="negative_binomial", of proportions '
    '"beta_binomial"), or add the predictors that are missing',
    "zeros among rows": "there are more zeros than the fitted means explain: if a row can be zero "
    "for a reason of its own, model that first (a 0/1 outcome); else let rows vary more "
    '(family="negative_binomial")',
    "farthest row": "a row lies far from what its group and predictors say: check it",
    "tails of rows": "noise has heavier tails than a normal distribution: far rows move their "
    "groups; check them, or transform the outcome",
    "skewness of rows": "noise is skewed: a transformed outcome, such as its logarithm, may fit",
    "noise by fitted value": "noise grows or falls with the fitted value: fit the logarithm or "
    "square root of the outcome",
    "curve": "the outcome bends along this predictor: add poly(..., 2), or transform it",
    "slope of group means": "the slope between groups is another than within them: add the mean of "
    "the predictor in each group as a predictor of its own",
    "column left out": "the outcome goes with a column that is not in the model: consider adding "
    "it",
}
"""What it means that a check does not hold, and what to do."""
OF_TAILS = 'population="student" (--population student) has such tails'
"""What to do about tails of groups where the model takes another population."""
CONSERVATIVE = "predictive"
"""Checks against new data drawn from the posterior, which was fitted to the same data."""


def check(
    post: Any,
    formula: str,
    to_frame: Callable[[Table], Any],
    design: Design | None = None,
    rows: RowsAgain | None = None,
    rng: np.random.Generator | None = None,
) -> Check[Any]:
    """Check a posterior, with its rows if they are given; see `Fit.check`."""
    rng = np.random.default_rng(SEED) if rng is None else checked_generator(rng)
    groups, findings = every_check(post, rng, design, rows)
    return Check(formula, findings, groups, rows is not None, to_frame)


@dataclass(frozen=True, eq=False)
class Check(Generic[Frame]):
    """How data compare with what their model expects, check by check.

    Parameters
    ----------
    formula : str
    findings : sequence of Finding
    by_group : sequence of GroupCheck
        Of every effect of every factor.
    with_rows : bool
        Whether the rows were given.
    to_frame : callable
        Turns a Table into the kind of frame of the fit.
    """

    formula: str
    findings: Sequence[Finding]
    by_group: Sequence[GroupCheck]
    with_rows: bool
    to_frame: Callable[[Table], Frame]

    @property
    def table(self) -> Frame:
        """One row a check, in the kind of frame the data came in.

        Returns
        -------
        frame
            check, of (what is compared), observed, expected (median), lower and upper (middle 95%,
            where the model holds), p, and reference (where p is from): "left out", "drawn",
            "exact", "predictive", "score" or "residuals"; see docs/checks.md.
        """
        return self.to_frame(self.as_table())

    @property
    def groups(self) -> Frame:
        """One row a group (and effect): how it lies among the others.

        Returns
        -------
        frame
            factor, term, group; z and pit (its place in what the other groups predict: pit is
            uniform where the model holds), p (of this group alone), p_largest (of one so far among
            so many) and outlying. Empty numbers where nothing is known of a group.
        """
        return self.to_frame(self.group_table())

    def as_table(self) -> Table:
        """`table`, whatever kind of frame the data came in."""
        fields = ("observed", "expected", "lower", "upper", "p")
        numbers = {
            k: np.array([getattr(f.compared, k) for f in self.findings], dtype=np.float64)
            for k in fields
        }
        return Table(
            check=as_labels([f.check for f in self.findings]),
            of=as_labels([f.of for f in self.findings]),
            **numbers,
            reference=as_labels([f.reference for f in self.findings]),
        )

    def group_table(self) -> Table:
        """`groups`, whatever kind of frame the data came in."""
        parts = [_groups_of(check) for check in self.by_group]
        if not parts:
            none = np.zeros(0)
            return Table(
                factor=as_labels([]), term=as_labels([]), group=as_labels([]), z=none, pit=none,
                p=none, p_largest=none, outlying=none.astype(bool),
            )  # fmt: skip
        labels = [p["group"] for p in parts]
        alike = len({v.dtype.kind for v in labels}) == 1
        group = np.concatenate(labels if alike else [as_labels(map(str, v)) for v in labels])
        rest = {k: np.concatenate([p[k] for p in parts]) for k in parts[0] if k != "group"}
        names = ("factor", "term", "group", "z", "pit", "p", "p_largest", "outlying")
        return Table({k: group if k == "group" else rest[k] for k in names})

    @property
    def notices(self) -> tuple[Notice, ...]:
        """What does not hold, the clearest first, and what to do."""
        named = {(c.factor, c.term): n.text for c in self.by_group for n in outlying_groups(c)}
        said = []
        for finding in sorted(self._below(0.0, LEVEL), key=lambda f: f.compared.p):
            text = f"{_title(finding)}: {ADVICE[finding.check]}."
            if finding.check == "farthest group":
                text = next((t for k, t in named.items() if _is_of(finding, *k)), text)
            if finding.check == "tails of groups" and any(c.has_choice for c in self.by_group):
                text = f"{text[:-1]}; {OF_TAILS}."
            said.append(Notice(_code(finding), "warning", f"{text} {_numbers(finding.compared)}"))
        return tuple(said)

    @property
    def text(self) -> str:
        """What holds, what does not, and what to do, in paragraphs."""
        return "\n".join(self._lines(formatting.WIDTH))

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain Python values, as of ``partialpool check --json``."""
        return {
            "formula": self.formula,
            "checks": formatting.plain_rows(self.as_table()),
            "groups": formatting.plain_rows(self.group_table()),
            "notices": [n.to_dict() for n in self.notices],
        }

    def __repr__(self) -> str:
        header, rows = self.cells()
        table = [] if not rows else ["", *_aligned(header, rows)]
        return "\n".join([f"Checks of {self.formula}", *table, "", *self._lines(formatting.WIDTH)])

    def _repr_html_(self) -> str:
        header, rows = self.cells()
        return output(
            html_table(header, rows, f"Checks of {self.formula}", range(2)) if rows else "",
            *(notice.as_html() for notice in self.notices),
            paragraph(self._verdict()),
        )

    def cells(self) -> tuple[list[str], list[list[str]]]:
        """Header and cells of the table, as text."""
        header = ["check", "of", "observed", "expected", "95% if the model holds", "p"]
        return header, [_cells(f) for f in self.findings]

    def group_cells(self) -> tuple[list[str], list[list[str]]]:
        """Header and cells of the table of groups, as text."""
        header = ["factor", "term", "group", "z", "pit", "p", "p_largest", "outlying"]
        return header, [_group_cells(row) for row in self.group_table().rows()]

    def _below(self, low: float, high: float) -> list[Finding]:
        return [f for f in self.findings if low < f.compared.p <= high]

    def _lines(self, width: int) -> list[str]:
        return [
            *formatting.notice_lines(self.notices, width),
            *textwrap.wrap(self._verdict(), width),
        ]

    def _verdict(self) -> str:
        """How many checks hold, and what else to know of them."""
        wrong, notable = self._below(0.0, LEVEL), self._below(LEVEL, NOTABLE)
        total = len(self.findings)
        if not total:
            first = "There are too few groups or rows for any check."
        elif not wrong:
            first = f"Nothing speaks against the model in {_count(total, 'check')}."
        else:
            held = total - len(wrong)
            first = f"{_count(held, 'check')} of {total} {'hold' if held != 1 else 'holds'}."
        if notable:
            listed = ", ".join(f"{f.check} of {f.of} (p = {f.compared.p:.2g})" for f in notable)
            first += f" Worth a look: {listed}; of {total} about {NOTABLE * total:.1f} are so by "
            first += "chance."
        if any(f.reference == CONSERVATIVE for f in self.findings):
            first += (
                " P-values of what new data drawn from the posterior would show (predictive) are "
                "too near 0.5: a small one counts, a large one says little."
            )
        if not self.with_rows:
            first += " With the rows, fit.check(data), noise and columns left out are checked too."
        return first


def _groups_of(check: GroupCheck) -> Table:
    p = sidak(np.nan_to_num(check.z), 1)
    known = np.isfinite(check.z)
    many = sidak(np.nan_to_num(check.z), len(check.z))
    return Table(
        factor=as_labels([check.factor] * len(check.z)),
        term=as_labels([check.term] * len(check.z)),
        group=check.labels,
        z=check.z,
        pit=np.where(known, check.pit, np.nan),
        p=np.where(known, p, np.nan),
        p_largest=np.where(known, many, np.nan),
        outlying=check.outlying,
    )


def _is_of(finding: Finding, factor: str, term: str) -> bool:
    of_slopes = f"slopes of {term} by {factor}"
    return finding.of == (f"groups of {factor}" if term == "Intercept" else of_slopes)


def _title(finding: Finding) -> str:
    title = finding.check if finding.of == "rows" else f"{finding.check} ({finding.of})"
    return title[0].upper() + title[1:]


def _code(finding: Finding) -> str:
    return finding.check.replace(" ", "_")


def _numbers(of: Compared) -> str:
    """The observed value beside the expected one."""
    spread = (of.upper - of.lower) / 4
    observed, low, high = (formatting.number(v, spread) for v in (of.observed, of.lower, of.upper))
    return f"(Observed {observed}, {low} to {high} if the model holds; {_p(of.p)}.)"


def _p(p: float) -> str:
    return "p < 0.0001" if p < 1e-4 else f"p = {p:.2g}"


def _cells(finding: Finding) -> list[str]:
    of = finding.compared
    spread = (of.upper - of.lower) / 4
    observed, expected, lower, upper = (
        formatting.number(v, spread) for v in (of.observed, of.expected, of.lower, of.upper)
    )
    p = "<0.0001" if of.p < 1e-4 else f"{of.p:.4f}"
    return [finding.check, finding.of, observed, expected, f"{lower} to {upper}", p]


def _group_cells(row: dict[str, Any]) -> list[str]:
    names = [formatting.printable(row[k]) for k in ("factor", "term", "group")]
    numbers = [
        f"{row[k]:.{digits}f}" if np.isfinite(row[k]) else "-"
        for k, digits in (("z", 2), ("pit", 3), ("p", 4), ("p_largest", 4))
    ]
    return [*names, *numbers, "yes" if row["outlying"] else ""]


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _aligned(header: list[str], rows: list[list[str]]) -> list[str]:
    """Two columns of text and four of numbers, side by side."""
    widths = [max(len(r[i]) for r in [header, *rows]) for i in range(len(header))]

    def line(cells: list[str]) -> str:
        texts = [c.ljust(w) for c, w in zip(cells[:2], widths, strict=False)]
        numbers = [c.rjust(w) for c, w in zip(cells[2:], widths[2:], strict=True)]
        return "  ".join([*texts, *numbers]).rstrip()

    return [line(header), *(line(r) for r in rows)]
