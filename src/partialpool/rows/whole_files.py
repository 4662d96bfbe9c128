"""Files that are there when they are whole, and not before."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def moved_when_whole(path: str) -> Iterator[str]:
    """Give a path beside `path` to write to; move it there at the end, remove it on an error.

    Beside it, because a file moves in one step only within a file system. A file that is replaced
    gives its mode; a link stays one, and the file that it leads to is replaced.

    Raises
    ------
    OSError
        If `path` is something else than a file (a folder, a device, a pipe), or cannot be written.
    """
    path = os.path.realpath(path)
    mode = None
    if not os.path.isdir(os.path.dirname(path)):
        raise OSError(f'there is no folder "{os.path.dirname(path)}"')
    if os.path.lexists(path):
        mode = os.stat(path).st_mode  # raises where links lead in a circle
        if not stat.S_ISREG(mode):
            raise OSError("it is a folder, a device or a pipe; give the name of a file")
        if not os.access(path, os.W_OK):
            raise OSError("the file that is there may not be changed")
    target = f"{path}.{os.getpid()}.part"
    try:
        yield target
        if mode is not None:
            os.chmod(target, stat.S_IMODE(mode))
        os.replace(target, path)
    finally:
        if os.path.exists(target):
            os.remove(target)
