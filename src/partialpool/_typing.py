"""Array types used in annotations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.intp]  # places and counts: 32 bits where addresses have 32 (WebAssembly)
Bools = NDArray[np.bool_]
AnyArray = NDArray[Any]
Numbers = float | Sequence[float] | Floats  # one or several, as a user writes them
