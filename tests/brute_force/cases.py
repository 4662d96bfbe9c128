"""What a model is to the references: data, formula and priors as text, and its design by hand."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from brute_force.coordinates import flat, half_normal


@dataclass
class Design:
    """X by name of coefficient; terms: factor, level of each row, columns by name."""

    y: np.ndarray
    X: dict[str, np.ndarray]
    terms: list[tuple[str, np.ndarray, dict[str, np.ndarray]]]
    trials: np.ndarray | None = None
    centred: tuple[str, ...] = ()  # for NUTS only


@dataclass
class Case:
    formula: str
    rows: dict[str, Any]
    design: Design
    family: str | None = None
    prior: list[str] = field(default_factory=list)
    sd_scale: float | None = None  # all sds half-normal with this scale, or flat
    beta_sd: float | None = None  # coefficients but the intercept normal(0, beta_sd), or flat
    intercept_sd: float | None = None

    def sd_priors(self):
        k = sum(len(columns) for _, _, columns in self.design.terms)
        return [half_normal(self.sd_scale) if self.sd_scale else flat] * k

    def beta_sds(self):
        """Prior sd of each coefficient, or None if all are flat."""
        sds = [self.intercept_sd if n == "Intercept" else self.beta_sd for n in self.design.X]
        sds = np.array([np.inf if sd is None else sd for sd in sds])
        return None if np.isinf(sds).all() else sds

    def group_labels(self, factor):
        return np.unique(labels(*(self.rows[f] for f in factor.split(":")))).tolist()


def labels(*columns):
    """Label of each row's group, as the table of groups prints it."""
    return np.array(
        [":".join(parts) for parts in zip(*(map(str, c) for c in columns), strict=True)]
    )


def level(*columns):
    """Number of each row's level, in sorted order of labels."""
    return np.unique(labels(*columns), return_inverse=True)[1]


def tau_name(factor, column):
    return f"tau[{factor}]" if column == "Intercept" else f"tau[{factor}, {column}]"


def group_weights(design, factor, levels, column):
    """Coefficients' weights in the population value of a term's groups, (groups, p).

    The intercept takes up all predictors that are constant within every group; others are zero.
    """
    names, groups = list(design.X), levels.max() + 1
    weights = np.zeros((groups, len(names)))
    for k, (name, x) in enumerate(design.X.items()):
        value = np.array([x[levels == g][0] for g in range(groups)])
        constant = (x == value[levels]).all()
        if (column == "Intercept" and constant) or (column != "Intercept" and name == column):
            weights[:, k] = value if column == "Intercept" else 1.0
    return weights


def parents(design, t):
    """Other terms of intercepts in whose groups those of term t lie, and which group it is."""
    _, levels, mine = design.terms[t]
    groups, out = levels.max() + 1, []
    for s, (_, among, columns) in enumerate(design.terms):
        place = np.array([among[levels == g][0] for g in range(groups)])
        within = (among == place[levels]).all() and among.max() + 1 < groups
        if s != t and within and "Intercept" in columns and "Intercept" in mine:
            out.append((s, place))
    return out
