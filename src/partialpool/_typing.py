"""Types used in annotations: arrays, paths, frames."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.intp]  # places and counts: 32 bits where addresses have 32 (WebAssembly)
Bools = NDArray[np.bool_]
AnyArray = NDArray[Any]
Numbers = float | Sequence[float] | Floats  # one or several, as a user writes them

Paths = str | Path | Sequence[str | Path]
"""A file, a glob of files, or several."""

if TYPE_CHECKING:
    from typing_extensions import TypeVar  # whose variables may have a default before Python 3.13

    Frame = TypeVar("Frame", default=Any)
else:
    from typing import TypeVar

    Frame = TypeVar("Frame")
"""The kind of frame that tables are handed back as."""
