"""What every record of statistics says of itself, whatever its model."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

from partialpool._typing import AnyArray, Floats, Ints


class Record(ABC):
    """Sums over rows from which a model is fitted."""

    __slots__ = ()

    one_factor: ClassVar[bool] = False
    """Whether the model has one grouping factor and no predictors."""
    counts: ClassVar[bool] = False
    """Whether the outcome counts events."""

    @property
    def proportion(self) -> bool:
        """Whether events are among trials, so that groups have probabilities."""
        return False

    @property
    def errors_known(self) -> bool:
        """Whether rows are estimates with known standard errors, as in a meta-analysis."""
        return False

    @property
    @abstractmethod
    def group_counts(self) -> dict[str, int]:
        """Number of groups of each factor."""

    @abstractmethod
    def rows_by_group(self, term: int) -> Ints:
        """Rows in each group of a term."""

    @abstractmethod
    def outcome_by_group(self, term: int) -> Floats:
        """What was observed of each group of a term: its events, of measurements their mean.

        The mean is nan where the term has no intercept.
        """

    def plain_moments(self) -> tuple[float, float, float] | None:
        """Number, sum and sum of squares of measurements without weights.

        None of counts, of estimates with known errors, and where weights or a term without
        intercept hide them.
        """
        return None

    def observed(self) -> tuple[dict[str, AnyArray], dict[str, AnyArray]] | None:
        """What was observed of each group, and what is known of it beside, by name.

        None where one record a group does not hold all.
        """
        return None


def size_in_words(size_name: str, *, proportion: bool) -> str:
    """What sizes of counts are: trials, exposure, or rows where each is one unit of it."""
    if proportion:
        return "trials"
    return "rows" if size_name == "rows" else "exposure"
