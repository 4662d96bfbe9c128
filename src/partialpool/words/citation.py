"""How this software is cited; CITATION.cff says the same, and a test holds the two together."""

from __future__ import annotations

from typing import Literal

from partialpool._version import __version__
from partialpool.errors import ArgumentError

AUTHORS = "The partialpool developers"
TITLE = "partialpool: honest estimates for many groups, by hierarchical models with exact partial pooling"  # noqa: E501  (one string, as in CITATION.cff)


def citation(style: Literal["text", "bibtex"] = "text") -> str:
    """Say how to cite this software in a paper.

    Parameters
    ----------
    style : {"text", "bibtex"}
        A line for a list of references, or an entry for BibTeX.

    Raises
    ------
    ArgumentError
        If the style is another.

    Examples
    --------
    >>> import partialpool as pp
    >>> pp.citation().startswith("The partialpool developers. partialpool: honest estimates")
    True
    """
    if style == "text":
        return f"{AUTHORS}. {TITLE}. Version {__version__}, Python package."
    if style == "bibtex":
        return (
            "@software{partialpool,\n"
            f"  author = {{{{{AUTHORS}}}}},\n"
            f"  title = {{{{{TITLE}}}}},\n"
            f"  version = {{{__version__}}},\n"
            "  note = {Python package}\n"
            "}"
        )
    raise ArgumentError(f'style is "text" or "bibtex", not {style!r}')
