"""Several fits of the same data, compared."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from partialpool.errors import ArgumentError
from partialpool.fitted import Fit
from partialpool.words.model_comparison import ModelComparison, Scored, compared, model_names


def _kind(fit: Fit[Any]) -> str:
    """Family, and population if it is not normal: what a model is called beside its formula."""
    return fit.family + ("" if fit.population == "normal" else f", {fit.population} population")


def compare_models(
    *fits: Fit[Any], names: Sequence[str] | None = None, factor: str | None = None
) -> ModelComparison:
    """Compare models of the same data by how well each predicts groups it has not seen.

        elpd = sum_j log p(y_j | y_-j)

    Every group's rows are scored by their log density given those of the other groups, all
    parameters integrated out; see `Fit.influence` for how.

    Parameters
    ----------
    *fits : Fit
        Two or more, of the same outcome, rows and groups: with other priors, predictors, slopes
        or family of counts.
    names : sequence of str, optional
        What each is called; their formulas if not given, with priors or families where formulas
        are the same.
    factor : str, optional
        Whose groups are left out, of counts with several factors: the one with most groups.

    Returns
    -------
    ModelComparison
        ``.table``, the best model first: elpd, its standard error, the difference from the best
        with its standard error, the stacking weight, and log p(y) where priors are proper;
        ``.pointwise`` by group; ``.text`` in sentences.

    Raises
    ------
    ArgumentError
        If the data differ, or a model cannot be scored.

    Notes
    -----
    Stacking weights: Yao, Vehtari, Simpson and Gelman (2018), doi:10.1214/17-BA1091. Standard
    errors of few groups: Sivula, Magnusson and Vehtari (2020), arXiv:2008.10296.

    Examples
    --------
    >>> import partialpool as pp
    >>> data = pp.datasets.eight_schools()
    >>> formula = "effect | se(se) ~ 1 + (1 | school)"
    >>> flat, narrow = pp.fit(formula, data), pp.fit(formula, data, prior="tau ~ half_normal(5)")
    >>> pp.compare_models(flat, narrow, names=["flat", "narrow"]).table["model"].tolist()
    ['narrow', 'flat']
    """
    unlike = [f for f in fits if not isinstance(f, Fit)]
    if unlike or not fits:
        what = f"a {type(unlike[0]).__name__}" if unlike else "nothing"
        raise ArgumentError(f"compare_models takes fits, as compare_models(a, b); received {what}")
    called = model_names([(f.formula, _kind(f), f.posterior.priors) for f in fits], names)
    return compared(
        [
            Scored(
                name,
                str(fit.design.roles.outcome),
                fit._engine,
                fit._engine.left_out_factor(factor),
                partial(fit._without_each_group, factor),
            )
            for name, fit in zip(called, fits, strict=True)
        ]
    )
