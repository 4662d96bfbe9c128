"""What the user should know about a result, in plain words: one small object everywhere."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

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
    """

    code: str
    level: Level
    text: str

    def to_dict(self) -> dict[str, str]:
        """Return the three fields as a dict."""
        return {"code": self.code, "level": self.level, "text": self.text}
