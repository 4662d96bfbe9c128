"""A poll of people of unlike states, and the people they were drawn from, with the truth kept."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import special

from partialpool._table import Table
from partialpool._typing import AnyArray, Ints
from partialpool.errors import ArgumentError

AGES = ("18-29", "30-39", "40-49", "50-59", "60-69", "70+")
EDUCATIONS = ("none", "school", "trade", "some college", "college")
ETHNICITIES = ("a", "b", "c", "d")
REGIONS = ("north", "east", "south", "west", "middle")
SDS = {"state": 0.4, "age": 0.3, "education": 0.3, "ethnicity": 0.4, "region": 0.2}
"""Spread of each factor's effects on the log-odds, as of polls of the United States."""


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Poll:
    """Answers to a question, the cells of the people asked, and what all of them would say.

    Parameters
    ----------
    answers : Table
        One row a person asked: state, region, age, education, ethnicity, female, yes (0 or 1).
    cells : Table
        One row a combination of these, and n, the people there are.
    truth : Table
        state, n, and share: of its people who would say yes.
    """

    answers: Table
    cells: Table
    truth: Table

    def __repr__(self) -> str:
        return (
            f"Poll({self.answers.n_rows:,} answers; {self.cells.n_rows:,} cells of "
            f"{self.truth.n_rows} states)"
        )


def poll(*, people: int = 10_000, states: int = 51, seed: int) -> Poll:
    """Simulate a poll whose sample is not as the people are: some ages answer more often.

        logit P(yes) = -0.1 + 0.2 female + state + age + education + ethnicity + region

    Each effect is drawn from a normal distribution with the sd of `SDS`.

    Parameters
    ----------
    people : int
        People asked.
    states : int
        States, of very unlike size.
    seed : int
        The same seed gives the same poll.

    Examples
    --------
    >>> import partialpool as pp
    >>> pp.simulate.poll(people=500, states=8, seed=1)
    Poll(500 answers; 1,920 cells of 8 states)
    """
    if people < 1 or states < 2:
        raise ArgumentError(
            f"a poll has people (1 or more) and states (2 or more); got {people}, {states}"
        )
    rng = np.random.default_rng(seed)
    sizes = (states, len(AGES), len(EDUCATIONS), len(ETHNICITIES), 2)
    state, age, education, ethnicity, female = (v.ravel() for v in np.indices(sizes))
    region = rng.integers(0, len(REGIONS), states)[state]
    share = rng.gamma(1.0, 1.0, states)[state]
    for place, alpha in ((age, 8.0), (education, 8.0), (ethnicity, 3.0)):
        share = share * rng.dirichlet(np.full(place.max() + 1, alpha), states)[state, place]
    eta = -0.1 + 0.2 * female
    places = {"state": state, "age": age, "education": education, "ethnicity": ethnicity}
    for name, place in (places | {"region": region}).items():
        eta = eta + rng.normal(0.0, SDS[name], place.max() + 1)[place]
    p, n = special.expit(eta), np.rint(1e7 * share / share.sum()) + 1.0
    answering = n * (0.5 + 0.25 * age)  # the old answer more often than the young
    asked = rng.choice(len(n), people, p=answering / answering.sum())
    digits = len(str(states))
    names = np.array([f"S{i + 1:0{digits}d}" for i in range(states)], dtype=object)
    columns = {"state": names[state], "region": _named(REGIONS, region), "age": _named(AGES, age)}
    columns |= {"education": _named(EDUCATIONS, education)}
    columns |= {"ethnicity": _named(ETHNICITIES, ethnicity), "female": female}
    yes = (rng.random(people) < p[asked]).astype(np.int64)
    total = np.bincount(state, weights=n)
    return Poll(
        Table(**{k: v[asked] for k, v in columns.items()}, yes=yes),
        Table(**columns, n=n.astype(np.int64)),
        Table(
            state=names,
            n=total.astype(np.int64),
            share=np.bincount(state, weights=n * p) / total,
        ),
    )


def _named(names: tuple[str, ...], place: Ints) -> AnyArray:
    return np.array(names, dtype=object)[place]
