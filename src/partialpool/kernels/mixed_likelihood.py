"""The likelihood of a linear mixed model, given the relative covariances of its groups' effects.

    y = X beta + sum_t Z_t b_t + e,   e_i ~ N(0, sigma^2 / w_i),   b_t,l ~ N(0, sigma^2 L_t L_t')

Maximum likelihood and posteriors take it from here: the groups are integrated out, beta is at its
best or integrated out under a flat prior, and what is left is

    -2 log L = log |V| [+ log |X'V^-1 X|] + rest / sigma^2 + f log sigma^2 + constant

V the covariance of y over sigma^2, f the rows, less the coefficients where beta is integrated out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from partialpool._typing import Floats
from partialpool.kernels.crossed import Crossed, make_crossed
from partialpool.kernels.nested_factors import Reduced, Tree, make_tree, nested
from partialpool.kernels.normal_equations import (
    Sums,
    System,
    TermSums,
    make_system,
    moment_ratios,
    with_tight_last,
)


@dataclass(frozen=True, slots=True, eq=False)
class MixedLikelihood:
    """Normal equations, and what integrates the groups out of them.

    Parameters
    ----------
    system : System
    kernel : Tree or Crossed
        Eliminates groups: nested factors one by one, crossed ones the largest first.
    sigma_known : bool
        Whether standard errors are given.
    """

    system: System
    kernel: Tree | Crossed
    sigma_known: bool

    def reduced(self, factors: Sequence[Floats]) -> Reduced:
        """The groups integrated out, at a factor of each term's relative covariance."""
        return self.kernel.evaluate(self.system.relative_factors(factors))

    def moment_ratios(self) -> list[Floats]:
        """Rough sds over sigma of each term's effects, from the groups' own values."""
        return moments_by_term(self.system, sigma_known=self.sigma_known)


def moments_by_term(system: System, *, sigma_known: bool) -> list[Floats]:
    """Rough sds over sigma of each term's effects, from the groups' own values; (q,) each."""
    by_term: dict[int, Floats] = {}
    by_level = moment_ratios(system, sigma_known=sigma_known)
    for level, ratios in zip(system.levels, by_level, strict=True):
        for term, columns in zip(level.terms, level.columns, strict=True):
            by_term[term] = ratios[columns]
    return [by_term[term] for term in range(len(by_term))]


TIGHT = 1e6
"""Precision of a prior, over what the data say of a coefficient, from which on the coefficient gets
a column of its own. At 1e10 numbers were right to 6 digits without, at 1e16 to none."""


def make_mixed_likelihood(
    sums: Sums, *, sigma_known: bool, priors: Floats | None = None
) -> MixedLikelihood:
    """Set up the likelihood from cross-products.

    Parameters
    ----------
    priors : ndarray, shape (K, p + 1), optional
        Of coefficients: linear functions of ``[beta -1]`` of the columns as shifted, in their sds.
    """
    system = make_system(sums)
    if priors is not None and len(priors):
        noise = 1.0 if sigma_known else float(system.total[-1, -1]) / sums.n_used
        size = np.linalg.norm(priors[:, :-1] @ system.basis[:-1, :-1], axis=1)
        if (tight := size**2 * noise > TIGHT).any():
            system = with_tight_last(system, priors[tight])
    kernel = make_tree(system) if nested(system) else make_crossed(system)
    return MixedLikelihood(system, kernel, sigma_known)


def typical_errors(term: TermSums) -> Floats:
    """Typical standard error, over sigma, of a group's own effects, shape (q,).

    That of a group whose rows say as much about an effect as those of the groups do on average; 1
    where they say nothing.
    """
    groups = len(term.ztz)
    information = np.einsum("lkk->k", term.ztz)
    # 1 / root of the mean information, not the mean error, which one small group would decide
    return np.sqrt(groups / np.where(information > 0, information, groups))


def log_density(log_det: Floats, rest: Floats, sigma: Floats, freedom: float) -> Floats:
    """Log likelihood at sigma, up to a constant.

    Parameters
    ----------
    log_det : ndarray, shape (G,)
        log |V|, and log |X'V^-1 X| if beta is integrated out.
    rest : ndarray, shape (G,)
        Weighted residual sum of squares.
    sigma : ndarray, shape (G,)
    freedom : float
        Rows, less coefficients if beta is integrated out.
    """
    return np.asarray(-0.5 * (log_det + rest / sigma**2) - freedom * np.log(sigma))
