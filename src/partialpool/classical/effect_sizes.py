"""Effect sizes with standard errors, from the figures that studies report, in data of any kind."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypedDict, Unpack, get_args, overload

import numpy as np

from partialpool._table import Table
from partialpool._typing import Bools, Floats, Paths
from partialpool.classical.measures import (
    AddTo,
    DoubleZero,
    Measure,
    measure_of,
    with_zeros_filled,
)
from partialpool.errors import ArgumentError, DataError, did_you_mean
from partialpool.rows.added_columns import in_memory, numbers_of, with_columns
from partialpool.rows.foreign_frames import known_frame

if TYPE_CHECKING:
    import pandas
    import polars


@dataclass(frozen=True, slots=True, eq=False)
class EffectSizes:
    """Effects of studies.

    Parameters
    ----------
    measure : Measure
    effect, se : ndarray, shape (J,)
        nan where a figure is missing, or the effect does not exist.
    filled : ndarray of bool, shape (J,)
        Studies to whose cells a constant was added.
    """

    measure: Measure
    effect: Floats
    se: Floats
    filled: Bools = field(repr=False)

    def said(self) -> list[str]:
        """What to know about zero cells and missing effects, one sentence each."""
        sentences = []
        if self.filled.any():
            sentences.append(
                f"zero cells: a constant was added to the cells of {self.filled.sum():,} of "
                f"{len(self.filled):,} studies"
            )
        missing = np.isnan(self.effect)
        if missing.any():
            rows = ", ".join(map(str, (np.flatnonzero(missing)[:5] + 1).tolist()))
            rows += ", ..." if missing.sum() > 5 else ""
            of = f"{missing.sum():,} of {len(missing):,} studies"
            sentences.append(f"{of} are without an effect (row {rows})")
        return sentences


class Columns(TypedDict, total=False):
    """Columns of the data by the part they play, and options; see `effect_size`."""

    events1: Any
    n1: Any
    non_events1: Any
    events2: Any
    n2: Any
    non_events2: Any
    mean1: Any
    sd1: Any
    mean2: Any
    sd2: Any
    time1: Any
    time2: Any
    r: Any
    n: Any
    events: Any
    non_events: Any
    add: float | None
    to: AddTo
    double_zero: DoubleZero
    correct: bool
    names: tuple[str, str]


@overload
def effect_size(
    measure: str, data: Paths | Mapping[str, Any] | None = None, **columns: Unpack[Columns]
) -> Table: ...


@overload
def effect_size(
    measure: str, data: pandas.DataFrame, **columns: Unpack[Columns]
) -> pandas.DataFrame: ...


@overload
def effect_size(
    measure: str, data: polars.DataFrame | polars.LazyFrame, **columns: Unpack[Columns]
) -> polars.DataFrame: ...


@overload
def effect_size(measure: str, data: Any, **columns: Unpack[Columns]) -> Any: ...


def effect_size(
    measure: str,
    data: Any = None,
    *,
    add: float | None = None,
    to: AddTo = "only_zero",
    double_zero: DoubleZero = "keep",
    correct: bool = True,
    names: tuple[str, str] = ("effect", "se"),
    **columns: Any,
) -> Any:
    """Compute effect sizes and their standard errors, one a study, from columns of data.

    =====  ============================  ======================================  ================
    OR     odds_ratio                    log of the odds ratio                   1
    RR     risk_ratio                    log of the risk ratio                   1
    RD     risk_difference               p1 - p2                                 1
    SMD    standardised_mean_difference  Hedges' g                               2
    MD     mean_difference               mean1 - mean2                           2
    ROM    ratio_of_means                log(mean1 / mean2)                      2
    IRR    rate_ratio                    log of the ratio of rates               3
    ZCOR   fisher_z                      atanh(r)                                r, n
    PLO    logit_proportion              log(p / (1 - p))                        events, n
    PAS    arcsine_proportion            arcsin(sqrt(p))                         events, n
    =====  ============================  ======================================  ================

    1: events1, n1, events2, n2. 2: mean1, sd1, n1, mean2, sd2, n2. 3: events1, time1, events2,
    time2. In place of n1, n2 and n of counts non_events1, non_events2 and non_events may be given.

    Parameters
    ----------
    measure : str
        The code or the name.
    data : frame, mapping, path or relation, optional
        One row a study. Without it the columns are arrays.
    **columns : str or array_like, shape (J,)
        The column of each figure: ``events1="tpos"``, of arm 1 (such as the treated) and arm 2.
    add : float, optional
        What is added to cells of counts; 1/2 if not given, and 0 for PAS.
    to : {"only_zero", "all", "none"}
        To the cells of studies with a cell of zero, of all studies, or of none. (For rate ratios
        the cells are the events.)
    double_zero : {"keep", "missing"}
        Studies without events in both arms, or with nothing else: treated as others, or left
        without an effect, since they say nothing of an odds, risk or rate ratio.
    correct : bool
        Take away the bias of small samples: of SMD and ROM.
    names : tuple of str
        What the new columns are called.

    Returns
    -------
    frame
        The data with the columns effect and se (nan where a figure is missing or the effect does
        not exist), in the kind of frame that they came in.

    Raises
    ------
    ArgumentError
        If there is no such measure, or it needs other columns.
    ColumnError, DataError
        If a column is missing, or a figure is not possible: the message says which rows.

    Notes
    -----
    Variances are those of metafor's escalc with ``vtype="LS"``: Viechtbauer (2010),
    doi:10.18637/jss.v036.i03. The source of each formula is beside it in
    `partialpool.classical.measures`.

    Examples
    --------
    >>> import partialpool as pp
    >>> pp.effect_size("OR", {"trial": ["A", "B"], "t": [4, 0], "nt": [123, 40],
    ...                       "c": [11, 3], "nc": [139, 42]},
    ...                events1="t", n1="nt", events2="c", n2="nc")
    trial  t   nt   c   nc     effect        se
    A      4  123  11  139  -0.938694  0.597599
    B      0   40   3   42   -1.97091   1.52831
    """
    data = known_frame(data)
    frame = None if data is None else in_memory(data)
    options: dict[str, Any] = {"add": add, "to": to, "double_zero": double_zero}
    effects = computed(measure, frame, columns, **options, correct=correct)
    if len(names) != 2 or names[0] == names[1]:
        raise ArgumentError(f"names are two, of the effect and of its standard error; got {names}")
    added = dict(zip(names, (effects.effect, effects.se), strict=True))
    return Table(added) if frame is None else with_columns(data, frame, added)


def computed(
    measure: str,
    frame: Any,
    columns: Mapping[str, Any],
    *,
    add: float | None = None,
    to: AddTo = "only_zero",
    double_zero: DoubleZero = "keep",
    correct: bool = True,
) -> EffectSizes:
    """As `effect_size`, of a frame in memory; also which studies had a constant added."""
    of = measure_of(measure)
    for name, value, allowed in (("to", to, AddTo), ("double_zero", double_zero, DoubleZero)):
        if value not in get_args(allowed):
            words = ", ".join(f'"{a}"' for a in get_args(allowed))
            raise ArgumentError(f"{name}={value!r}: it is one of {words}")
    constant = of.add if add is None else add
    if not (math.isfinite(constant) and constant >= 0):
        raise ArgumentError(f"add is 0 or more; received {add!r}")
    figures, called = _figures(of, frame, columns)
    _check(of, figures, called)
    figures, filled = with_zeros_filled(of, figures, constant, to, double_zero)
    options = {"correct": correct} if of.corrected else {}
    # a rate ratio has events as cells, but is computed of events and times
    arguments = of.cells if of.name != "rate_ratio" and of.cells else of.columns
    with np.errstate(divide="ignore", invalid="ignore"):
        effect, variance = of.formula(*(figures[name] for name in arguments), **options)
        # such as a log ratio with an arm of zero events to which nothing was added
        exists = np.isfinite(effect) & np.isfinite(variance)
        effect, se = np.where(exists, effect, np.nan), np.sqrt(np.where(exists, variance, np.nan))
    return EffectSizes(of, effect, se, filled & exists)


TOTALS = {"n1": ("events1", "non_events1"), "n2": ("events2", "non_events2"),
          "n": ("events", "non_events")}  # fmt: skip
"""Of counts: the two that make a total, of which one may be given in its place."""


def _figures(
    measure: Measure, frame: Any, columns: Mapping[str, Any]
) -> tuple[dict[str, Floats], dict[str, str]]:
    """The figures of each study by argument, and what the user calls each."""
    wanted = _wanted(measure, columns)
    called = {name: str(columns[name]) if frame is not None else name for name in wanted}
    if frame is None:
        arrays = {name: np.asarray(columns[name], dtype=np.float64) for name in wanted}
        shapes = {a.shape for a in arrays.values()}
        if len(shapes) > 1 or any(a.ndim != 1 for a in arrays.values()):
            shown = ", ".join(f"{k} {a.shape}" for k, a in arrays.items())
            raise ArgumentError(f"each column has one value a study; their shapes are {shown}")
    else:
        for name in wanted:
            if not isinstance(columns[name], str):
                raise ArgumentError(
                    f"{name} is the name of a column where data are given, not "
                    f"{type(columns[name]).__name__}"
                )
        taken = numbers_of(frame, list(dict.fromkeys(called.values())))
        arrays = {name: taken[column] for name, column in called.items()}
    if measure.cells and measure.name != "rate_ratio":
        arrays = _with_cells(arrays, called)
    return arrays, called


def _wanted(measure: Measure, columns: Mapping[str, Any]) -> list[str]:
    """The arguments that a measure takes, of those that are given."""
    shares = TOTALS if measure.cells and measure.name != "rate_ratio" else {}
    wanted, missing = [], []
    for name in measure.columns:
        other = shares.get(name, (name, name))[1]
        present = [k for k in dict.fromkeys((name, other)) if columns.get(k) is not None]
        wanted += present
        missing += [] if present else [name]
    spare = [k for k, v in columns.items() if v is not None and k not in wanted]
    needs = f"{measure.code} ({measure.title}) takes {', '.join(measure.columns)}"
    if shares:
        needs += ", or " + " and ".join(shares[k][1] for k in measure.columns if k in shares)
        needs += " in place of " + " and ".join(k for k in measure.columns if k in shares)
    if missing:
        raise ArgumentError(f"{needs}; not given: {', '.join(missing)}")
    if spare:
        hint = did_you_mean(spare[0], [k for k in measure.columns if k not in wanted])
        raise ArgumentError(f"{needs}, not {spare[0]}; {hint or 'leave it out'}".rstrip())
    return wanted


def _with_cells(arrays: dict[str, Floats], called: Mapping[str, str]) -> dict[str, Floats]:
    """Totals and cells of counts, whichever of the two is given."""
    out = dict(arrays)
    for total, (events, others) in TOTALS.items():
        if events not in arrays:
            continue
        if total in arrays and others in arrays:
            _refuse(
                arrays[events] + arrays[others] != arrays[total],
                arrays[total],
                called[total],
                f'the sum of "{called[events]}" and "{called[others]}"',
            )
        if total in arrays:
            over = arrays[events] > arrays[total]
            needed = f'at least "{called[events]}", the events among them'
            _refuse(over, arrays[total], called[total], needed)
            out[others] = arrays[total] - arrays[events]
        else:
            out[total] = arrays[events] + arrays[others]
    return out


ALLOWED: dict[str, tuple[Callable[[Floats], Bools], str]] = {
    "events": (lambda x: x >= 0, "a number of events, 0 or more"),
    "non_events": (lambda x: x >= 0, "a number without the event, 0 or more"),
    "n": (lambda x: x > 0, "a number of subjects above 0"),
    "time": (lambda x: x > 0, "a time (or exposure) above 0"),
    "sd": (lambda x: x > 0, "a standard deviation above 0"),
    "mean": (lambda x: np.isfinite(x), "a finite mean"),
    "r": (lambda x: np.abs(x) < 1, "a correlation between -1 and 1"),
}
"""What a figure must be, by its argument less the number of the arm."""


def _check(measure: Measure, figures: Mapping[str, Floats], called: Mapping[str, str]) -> None:
    """Refuse figures that are not possible.

    Raises
    ------
    DataError
        The message names the column and the first rows.
    """
    for name, values in figures.items():
        holds, words = ALLOWED[name.rstrip("12")]
        if name == "n" and measure.code == "ZCOR":
            holds, words = (lambda x: x > 3), "above 3, as the variance is 1 / (n - 3)"
        if name.startswith("mean") and measure.code == "ROM":
            holds, words = (lambda x: x > 0), "a mean above 0, as its logarithm is taken"
        with np.errstate(invalid="ignore"):
            bad = ~(holds(values) & (np.abs(values) < math.inf))
        _refuse(bad, values, called.get(name, name), words)
    if measure.code == "SMD":
        small = figures["n1"] + figures["n2"] < 4
        words = f'with "{called["n2"]}" at least 4 subjects, or the bias is not known'
        _refuse(small, figures["n1"], called["n1"], words)


def _refuse(bad: Bools, values: Floats, column: str, words: str) -> None:
    """Raise the error that names the first rows with a figure that is not possible."""
    rows = np.flatnonzero(np.asarray(bad) & ~np.isnan(values))
    if len(rows):
        shown = ", ".join(f"{values[i]:g} in row {i + 1}" for i in rows[:5].tolist())
        more = f" and {len(rows) - 5} more" if len(rows) > 5 else ""
        raise DataError(
            f'column "{column}" must be {words}; it is {shown}{more}: correct these rows, or '
            "leave the value empty if it is not known"
        )
