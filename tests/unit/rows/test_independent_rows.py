"""Correlated sampling errors against dense algebra, and what is refused."""

import numpy as np
import pandas as pd
import pytest

import partialpool as pp

STUDY = ["B", "A", "B", "C", "A", "B", "D", "D", "E"]
Y = np.array([0.3, 0.1, 0.5, -0.2, 0.4, 0.0, 0.6, 0.7, 0.2])
X = np.array([0.0, 0, 1, 0, 1, 2, 1, 0, 1])
S = np.array([0.2, 0.3, 0.25, 0.2, 0.1, 0.3, 0.2, 0.25, 0.15])
DATA = {"study": STUDY, "y": Y.tolist(), "x": X.tolist(), "s": S.tolist()}
SAME = np.array([[a == b for b in STUDY] for a in STUDY])
V = np.outer(S, S) * np.where(np.eye(9, dtype=bool), 1.0, 0.4 * SAME)
FORMULA = "y | se(se) ~ 0 + one + x + (0 + one | study) + (1 | row)"


def blocks():
    """Covariances of studies as they first come: B, A, C, D, E."""
    at = [np.flatnonzero(np.array(STUDY) == label) for label in "BACDE"]
    return [V[np.ix_(rows, rows)] for rows in at]


def test_the_three_ways_to_say_it_agree():
    how = {"effect": "y", "by": "study", "columns": ["x"]}
    found = [
        pp.independent_rows(DATA, se="s", rho=0.4, **how),
        pp.independent_rows(DATA, covariance=V, **how),
        pp.independent_rows(DATA, covariance=blocks(), **how),
    ]
    assert list(found[0]) == ["study", "y", "se", "one", "x", "row"]
    assert found[0]["study"].tolist() == ["B", "B", "B", "A", "A", "C", "D", "D", "E"]
    for other in found[1:]:
        for name in ("y", "se", "one", "x"):
            np.testing.assert_allclose(np.abs(other[name]), np.abs(found[0][name]), atol=1e-12)
    frame = pp.independent_rows(pd.DataFrame(DATA), covariance=V, **how)
    assert isinstance(frame, pd.DataFrame)


def test_the_posterior_is_that_of_dense_algebra():
    """Coefficients integrated out in closed form, the two sds by a fine grid, flat priors."""
    rows = pp.independent_rows(DATA, effect="y", by="study", columns=["x"], se="s", rho=0.4)
    prior = ["tau[study, one] ~ half_normal(0.3)", "tau[row] ~ half_normal(0.3)"]
    table = pp.fit(FORMULA, rows, prior=prior, accuracy=1e-4).parameters()
    design = np.column_stack([np.ones(9), X])
    # midpoints to 6 sds of the priors; those of the mean of an sd lose 1e-5 at its kink at 0
    a, b = (g.ravel() for g in np.meshgrid(*[(np.arange(200) + 0.5) * 0.009] * 2))
    k = np.linalg.inv(V + a[:, None, None] ** 2 * SAME + b[:, None, None] ** 2 * np.eye(9))
    precision = design.T @ k @ design
    covariance = np.linalg.inv(precision)
    beta = (covariance @ design.T @ k) @ Y
    gap = Y - beta @ design.T
    weight = 0.5 * (np.linalg.slogdet(k)[1] - np.linalg.slogdet(precision)[1])
    weight -= 0.5 * np.einsum("gi,gij,gj->g", gap, k, gap) + 0.5 * (a**2 + b**2) / 0.09
    variance = np.diagonal(covariance, axis1=1, axis2=2)
    sds = np.column_stack([a, b])
    moments = np.column_stack([beta, sds, beta**2 + variance, sds**2])
    share = np.exp(weight - weight.max())
    first, second = (share @ moments / share.sum()).reshape(2, 4)
    np.testing.assert_allclose(table["mean"], first, atol=2e-5)
    np.testing.assert_allclose(table["sd"], np.sqrt(second - first**2), atol=2e-5)


def test_predictions_are_of_the_data_as_they_were():
    rows = pp.independent_rows(DATA, effect="y", by="study", columns=["x"], se="s", rho=0.0)
    fit = pp.fit("y | se(se) ~ 0 + one + x + (0 + one | study)", rows)
    plain = pp.fit("y | se(s) ~ x + (1 | study)", DATA)
    asked = {"study": ["A", "D"], "x": [0.0, 1.0]}
    turned = fit.predict({**asked, "one": [1.0, 1.0]})
    for name in ("estimate", "sd", "lower", "upper"):
        np.testing.assert_allclose(turned[name], plain.predict(asked)[name], rtol=1e-3)


REFUSED = [
    ({"rho": 0.5}, "give either se and rho"),
    ({"se": "s", "rho": 0.5, "covariance": V}, "give either se and rho"),
    ({"se": "s", "rho": 1.0}, "rho is a correlation between -1 and 1"),
    ({"se": "s", "rho": -0.9}, "not positive definite"),
    ({"covariance": V[:3, :3]}, "covariance has shape (3, 3), and there are 9 rows"),
    ({"covariance": V + 0.01}, "not zero between rows of different studies"),
    ({"covariance": blocks()[::-1]}, "one matrix a study, of sizes [3, 2, 1, 2, 1]"),
    ({"covariance": V + 0.01 * np.triu(SAME, 1)}, "finite and symmetric"),
    ({"se": "s", "rho": 0.5, "columns": ["study"]}, 'column "study" must hold numbers'),
    ({"se": "s", "rho": 0.5, "columns": ["z"]}, 'column "z" is not in the data'),
    ({"se": "x", "rho": 0.5}, "standard errors must be positive; row 1 has none"),
]


@pytest.mark.parametrize(("how", "words"), REFUSED, ids=range(len(REFUSED)))
def test_what_is_no_covariance_is_refused_in_a_sentence(how, words):
    with pytest.raises(pp.PartialPoolError) as caught:
        pp.independent_rows(DATA, effect="y", by="study", **how)
    assert words in str(caught.value)


def test_gaps_are_refused():
    gap = {**DATA, "y": [None, *Y[1:].tolist()]}
    with pytest.raises(pp.DataError, match='column "y" has no number in row 1'):
        pp.independent_rows(gap, effect="y", by="study", se="s", rho=0.5)
