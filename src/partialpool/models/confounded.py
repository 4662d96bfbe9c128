"""Effects of groups that predictors with flat priors fit already.

If a combination of a term's columns of Z lies, group by group, in the span of the predictors whose
coefficients have flat priors, any value of it is undone by the coefficients: the likelihood does
not depend on its variance, and under flat priors on the standard deviations the posterior has no
finite total. So it is where the grouping factor is also a predictor.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

import numpy as np
import scipy

from partialpool._typing import Floats, Ints
from partialpool.design.labels import shown
from partialpool.errors import ImproperPosteriorError
from partialpool.models.mixed import MixedModel, Term, sd_name
from partialpool.records.cross_products import Block

UNEXPLAINED_SHARE = 1e-10
"""A combination of columns is fitted by the predictors if they leave no larger share of its sum of
squares. Rounding leaves some 1e-15; a predictor that tells groups apart but for one row in a
million leaves 1e-6."""
PART_OF_COMBINATION = 1e-6
"""A predictor has a part in it if its coefficient makes up more than this of the combination."""


def check_confounded(model: MixedModel) -> None:
    """Refuse standard deviations with improper priors of which the likelihood does not depend.

    Raises
    ------
    ImproperPosteriorError
        The message names the factor, the predictors and what to change.
    """
    s = model.statistics
    flat = np.array(
        [i for i, n in enumerate(s.coefficients) if not model.priors.coefficient(n).proper],
        dtype=np.intp,
    )
    # with a flat intercept the span is that of the columns less their means, which lose no digits
    free_intercept = "Intercept" in [s.coefficients[i] for i in flat]
    named = np.eye(len(s.shift)) if free_intercept else _unshifted(s.shift)
    gram = (named.T @ s.xtx @ named)[np.ix_(flat, flat)]
    scale = np.sqrt(np.diag(gram))
    if not len(flat):
        return
    # factored as correlations, and scaled back: columns may differ by many orders
    lower = scipy.linalg.cholesky(gram / np.outer(scale, scale), lower=True) * scale[:, None]
    for term, block in zip(model.terms, s.blocks, strict=True):
        free = np.flatnonzero([not prior.proper for prior in term.priors])
        back = _unshifted(block.shift)[:, free]
        ztz = np.einsum("ka,lkm,mb->lab", back, block.ztz, back)
        ztx = np.einsum("ka,lkm,mp->lap", back, block.ztx, named[:, flat])
        weights = _fitted(ztz, ztx, lower, correlated=block.correlated)
        if weights is None:
            continue
        coefficients = scipy.linalg.cho_solve((lower, True), (weights @ ztx).T)
        used = np.abs(coefficients).max(axis=1) * scale > PART_OF_COMBINATION * math.sqrt(
            float((ztz @ weights @ weights).max())
        )
        columns = [s.coefficients[i] for i in flat[used]]
        raise _confounded(term, block, free[weights != 0], columns)


def _unshifted(shift: Floats) -> Floats:
    """What makes columns as named of those from which an intercept has taken up the means."""
    out = np.eye(len(shift))
    # the intercept column times a column's mean is added to each
    out[:1] += shift
    return out


def _fitted(ztz: Floats, ztx: Floats, lower: Floats, *, correlated: bool) -> Floats | None:
    """Weights of a combination of the columns that the predictors fit in every group, if any.

    Independent effects (``||``) can only be undone one by one.

    Parameters
    ----------
    ztz : ndarray, shape (L, q, q)
    ztx : ndarray, shape (L, q, p)
    lower : ndarray, shape (p, p)
        Cholesky factor of the predictors' cross-products.
    """
    groups, q, p = ztx.shape
    # total less half half' is what least squares on the predictors leaves of the groups' columns
    half = scipy.linalg.solve_triangular(lower, ztx.reshape(groups * q, p).T, lower=True)
    half = half.T.reshape(groups, q, p)
    total = ztz.sum(axis=0)
    left = total - np.einsum("lap,lbp->ab", half, half)
    size = np.sqrt(np.diag(total))
    if not (size > 0).all():
        return None
    # as shares of the columns' own sums of squares
    left /= np.outer(size, size)
    if not correlated:
        left = np.diag(np.diag(left))
    # the combination of columns of which least is left
    values, vectors = np.linalg.eigh(left)
    if not len(values) or values[0] > UNEXPLAINED_SHARE:
        return None
    weights = np.where(np.abs(vectors[:, 0]) > PART_OF_COMBINATION, vectors[:, 0], 0.0)
    return np.asarray(weights / size, dtype=np.float64)


def _confounded(
    term: Term, block: Block, effects: Ints, columns: Sequence[str]
) -> ImproperPosteriorError:
    names = [sd_name(term.factor, term.effects[k]) for k in effects]
    predictors = [c for c in columns if c != "Intercept"]
    variables = {v for c in predictors for v in _variables(c)}
    factor = term.factor
    if set(factor.split(":")) <= variables:
        what = f"{factor} is both a predictor ({shown(predictors)}) and a grouping factor"
        remedy = f"take {factor} out of the predictors"
    else:
        one = len(predictors) == 1
        what = (
            f"the predictor{'' if one else 's'} {shown(predictors)} tell{'s' if one else ''} the "
            f"{len(block.n):,} groups of {factor} apart"
        )
        remedy = f"take {'it' if one else 'them'} out"
    listed = " and ".join(names)
    return ImproperPosteriorError(
        f"{what}: the coefficients fit what the effects that vary by {factor} should, and leave "
        f"nothing from which to learn {listed}: under flat priors the posterior has no finite "
        f"total or mean. Either {remedy}, or take these effects out of the term of {factor}; or "
        f'give {listed} proper priors, such as --prior "tau ~ half_normal(scale)" for all of them '
        "(in Python: prior=pp.priors(tau=pp.HalfNormal(scale)))"
    )


def _variables(column: str) -> list[str]:
    """The variables in the name of a column: g and x of ``C(g)[b]:x``."""
    parts = (re.sub(r"\[.*\]$", "", part) for part in column.split(":"))
    return [re.sub(r"^C\(\s*([^,)]*).*\)$", r"\1", part).strip('`" ') for part in parts]
