"""A digest of the numbers and labels of a file of statistics: damage to any of them is found.

It is no signature: whoever changes a file on purpose can write the digest of the changed one.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping
from typing import Any

import numpy as np

from partialpool._typing import AnyArray


def digest_of_part(columns: Mapping[str, AnyArray], labels: Collection[str]) -> str:
    """Digest of columns of numbers, and of those of labels that are text or whole numbers.

    Labels of other types (dates, decimals) come back from a file in types of their own.
    """
    digest = hashlib.sha256()
    for name in sorted(columns):
        if name in labels:
            texts = (str(v) if isinstance(v, str | int) else "" for v in columns[name].tolist())
            content = "\0".join(texts).encode("utf-8", "surrogatepass")
        else:
            content = np.ascontiguousarray(columns[name], dtype="<f8").tobytes()
        digest.update(f"{name}:{len(content)}:".encode())
        digest.update(content)
    return digest.hexdigest()


def digest_of_file(facts: Mapping[str, Any], parts: Mapping[str, str]) -> str:
    """Digest of the facts of a file, but for the digest itself, and of its parts' digests."""
    known = {name: value for name, value in facts.items() if name != "digest"}
    text = json.dumps([known, dict(parts)], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()
