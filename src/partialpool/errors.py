"""Every error this package raises on purpose.

    PartialPoolError
    ├── FormulaError (ValueError)            the formula cannot be read
    │   └── UnsupportedFormulaError          it can be read, but no model here fits it yet
    ├── DataError (ValueError)               a value in the data is not allowed
    │   └── ColumnError (LookupError)        a column is missing or there twice
    ├── PriorError (ValueError)              a prior cannot be read or does not apply
    ├── ImproperPosteriorError (ValueError)  data and priors together leave no posterior
    ├── NotReachedError (RuntimeError)       numbers whose error is too large to be shown
    ├── ArgumentError (ValueError)           an argument of a call is not allowed
    └── MissingExtraError (ImportError)      an optional library is not installed

A message is one line: what is wrong, what was received, what is allowed, what to do.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class PartialPoolError(Exception):
    """Root of all errors raised on purpose by this package."""


class FormulaError(PartialPoolError, ValueError):
    """The formula cannot be read; `text` and `position` say where.

    Parameters
    ----------
    problem : str
        What is wrong and what is allowed.
    text : str
        The whole formula.
    position : int
        Index into `text` of the character the error points at.
    """

    def __init__(self, problem: str, text: str, position: int) -> None:
        self.problem = problem
        self.text = text
        self.position = position
        super().__init__(problem, text, position)

    def __str__(self) -> str:
        start = max(0, self.position - 60)
        end = min(len(self.text), self.position + 40)
        before = ("..." if start else "") + self.text[start : self.position]
        after = self.text[self.position : end] + ("..." if end < len(self.text) else "")
        shown = f"{before}>>>{after}".replace("\n", " ")
        return f"{self.problem} (character {self.position + 1}, at >>>: {shown})"


class UnsupportedFormulaError(FormulaError):
    """The formula is well formed, but no model in this version fits it."""


class DataError(PartialPoolError, ValueError):
    """A value in the data is not allowed."""


class ColumnError(DataError, LookupError):
    """A column that the formula names is missing from the data, or is there twice."""

    @classmethod
    def missing(cls, name: str, columns: Iterable[str], position: int | None = None) -> ColumnError:
        """Build the error for a column that is not there, with the nearest name."""
        names = [str(c) for c in columns]
        where = "" if position is None else f" (character {position + 1} of the formula)"
        text = f'column "{name}"{where} is not in the data'
        hint = did_you_mean(name, names)
        shown = ", ".join(names[:20]) + (f", and {len(names) - 20} more" if len(names) > 20 else "")
        spaced = any(not n.replace(".", "_").isidentifier() for n in names)
        quotes = "; write a name with spaces or signs between backquotes" if spaced else ""
        return cls(f"{text}; {hint}the columns are: {shown or '(none)'}{quotes}")


class PriorError(PartialPoolError, ValueError):
    """A prior cannot be read, or does not apply to the parameter it is given to."""


class ImproperPosteriorError(PartialPoolError, ValueError):
    """The data and the priors together do not give a posterior that integrates to one."""


class NotReachedError(PartialPoolError, RuntimeError):
    """The estimated error of a fit is so large that none of its numbers is shown.

    The fit is there all the same: ``fit.posterior.error`` and ``fit.posterior.status`` say how far
    it came, and the message what to change.
    """


class ArgumentError(PartialPoolError, ValueError):
    """An argument of a call is not allowed."""


class MissingExtraError(PartialPoolError, ImportError):
    """An optional library is needed and not installed."""

    @classmethod
    def needs(cls, library: str, purpose: str, *, extra: str | None = None) -> MissingExtraError:
        """Build the error that names the library and how to get it: alone, or as an extra."""
        what = f"'partialpool[{extra}]'" if extra else library
        return cls(f"{purpose} needs {library}, which is not installed: pip install {what}")


def did_you_mean(word: str, choices: Iterable[str]) -> str:
    """Return `did you mean "x"? ` for the nearest choice, or an empty string."""
    near = difflib.get_close_matches(word, list(choices), n=1, cutoff=0.5)
    if not near:
        near = [c for c in choices if c.casefold() == word.casefold()][:1]
    return f'did you mean "{near[0]}"? ' if near else ""
