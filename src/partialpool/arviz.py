"""Draws of a posterior as ArviZ keeps them: named variables with dimensions and coordinates."""

from __future__ import annotations

from typing import Any

import numpy as np

from partialpool._typing import AnyArray
from partialpool._version import __version__
from partialpool.design.labels import is_text
from partialpool.errors import MissingExtraError
from partialpool.posterior import Draws, Posterior
from partialpool.posterior.engine import INTERCEPT, Scale, Term

Variables = dict[str, AnyArray]
DRAWN = ("posterior", "log_likelihood")
"""Groups of the tree whose variables have a value a draw, in one chain."""
GROUPS = (*DRAWN, "observed_data", "constant_data")


def data_tree(posterior: Posterior, drawn: Draws, formula: str, scale: Scale) -> Any:
    """Draws, log likelihood and data as a DataTree; see `Fit.to_arviz`.

    Raises
    ------
    MissingExtraError
        If arviz-base is not installed.
    """
    try:
        from arviz_base import from_dict
    except ModuleNotFoundError as error:
        raise MissingExtraError.needs("arviz-base", "to_arviz()", extra="arviz") from error
    terms = {_name_of(term): term for term in posterior._terms}
    dims = _dimensions(terms, drawn.names)
    by_factor = {term.factor: term for term in terms.values()}
    content, of_groups = _of_group_data(posterior, drawn)
    content["posterior"] = {name: drawn[name] for name in drawn.names}
    for name, term in terms.items():
        values = drawn.groups(term.factor, term=term.name, scale=scale)
        content["posterior"][name] = values
    for factor, term in by_factor.items():
        rows = posterior._engine.statistics.rows_by_group(term.block)
        content["constant_data"][f"n[{factor}]"] = rows
    factors = {name: term.factor for name, term in terms.items()} | of_groups
    factors |= {f"n[{factor}]": factor for factor in by_factor}
    return from_dict(
        {
            group: {_plain(k): v[None] if group in DRAWN else v for k, v in content[group].items()}
            for group in GROUPS
            if group in content
        },
        coords={dims[factor]: _labels(term.labels) for factor, term in by_factor.items()},
        dims={_plain(name): [dims[factor]] for name, factor in factors.items()},
        attrs={
            "/": {
                "inference_library": "partialpool",
                "inference_library_version": __version__,
                "formula": formula,
                "method": posterior.method,
            }
        },
    )


def _of_group_data(
    posterior: Posterior, drawn: Draws
) -> tuple[dict[str, Variables], dict[str, str]]:
    """What was observed of each group with its log likelihood, where one record a group is known.

    And the factor of each variable.
    """
    s, factor = posterior._engine.statistics, posterior._terms[0].factor
    known = s.observed()
    if known is None:
        return {"constant_data": {}}, {}
    observed, constants = known
    log_likelihood = posterior._values.group_log_likelihood(drawn.drawn)
    content = {
        "log_likelihood": {s.outcome: log_likelihood},
        "observed_data": observed,
        "constant_data": constants,
    }
    return content, dict.fromkeys((*observed, *constants), factor)


def _name_of(term: Term) -> str:
    """Name of the variable of an effect: as that of its standard deviation, tau[...]."""
    effect = "" if term.name == INTERCEPT else f", {term.name}"
    return f"theta[{term.factor}{effect}]"


def _plain(name: str) -> str:
    """A name that a DataTree takes: it reads "/" as a path."""
    return name.replace("/", " per ")


def _dimensions(terms: dict[str, Term], names: tuple[str, ...]) -> dict[str, str]:
    """The dimension of each factor: its name, unless a variable or xarray has that already."""
    taken = {*names, "chain", "draw"}
    factors = dict.fromkeys(term.factor for term in terms.values())
    return {f: _plain(f"{f}_group" if f in taken else f) for f in factors}


def _labels(labels: AnyArray) -> AnyArray:
    """Labels of one type; of several as text."""
    if labels.dtype.kind == "O" and not is_text(labels):
        return np.array([str(v) for v in labels.tolist()], dtype=object)
    return labels
