"""The lesson and the laboratory inside a notebook."""

from __future__ import annotations

from importlib import import_module
from typing import Any


def show(step: int | None = None, *, height: int = 760) -> Any:
    """Show a step of the lesson, or the laboratory, in a notebook; it needs no server.

    The last line of a cell is drawn: a frame that computes its worlds in the browser.

    Parameters
    ----------
    step : int, optional
        A step of the lesson, 1 to 15; the laboratory if not given.
    height : int
        Of the frame, in pixels.

    Returns
    -------
    Page
        Its ``_repr_html_`` is the frame, and ``source`` the page as a text.

    Raises
    ------
    ArgumentError
        If there is no such step.

    Examples
    --------
    >>> import partialpool as pp
    >>> pp.simulate.show(step=5)
    the page ?embed=1&step=5, which a notebook shows
    """
    # the page is a door, above this room: it is asked by name, and only when it is shown
    return import_module("partialpool.app.in_one_piece").show(step, height=height)
