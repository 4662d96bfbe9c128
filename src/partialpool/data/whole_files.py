"""Files that are there when they are whole, and not before."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def moved_when_whole(path: str) -> Iterator[str]:
    """Give a path beside `path` to write to; move it there at the end, remove it on an error.

    Beside it, because a file moves in one step only within a file system.
    """
    target = f"{path}.{os.getpid()}.part"
    try:
        yield target
        os.replace(target, path)
    finally:
        if os.path.exists(target):
            os.remove(target)
