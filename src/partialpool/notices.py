"""What the user should know about a result, in plain words: one small object everywhere."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from partialpool._markup import output, paragraph

Level = Literal["info", "warning"]


@dataclass(frozen=True, slots=True)
class Notice:
    """Something about the data or the result that the user should know.

    Parameters
    ----------
    code : str
        A stable name to filter on, such as ``"rows_dropped"``.
    level : {"info", "warning"}
        A warning asks for a decision; an info only explains.
    text : str
        One or two sentences: what is so, and what to do about it.

    Examples
    --------
    >>> Notice("few_groups", "info", "There are 3 groups.").level
    'info'
    """

    code: str
    level: Level
    text: str

    def as_html(self) -> str:
        """The notice as a paragraph of HTML, which says how much it matters.

        Examples
        --------
        >>> Notice("few_groups", "info", "There are 3 groups.").as_html()
        '<p class="info">Note: There are 3 groups.</p>'
        """
        name = "Warning" if self.level == "warning" else "Note"
        return paragraph(f"{name}: {self.text}", self.level)

    def _repr_html_(self) -> str:
        return output(self.as_html())

    def to_dict(self) -> dict[str, str]:
        """Return the three fields as a dict.

        Examples
        --------
        >>> Notice("few_groups", "info", "There are 3 groups.").to_dict()["code"]
        'few_groups'
        """
        return {"code": self.code, "level": self.level, "text": self.text}
