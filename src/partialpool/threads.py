"""Threads: of Python where they can start; one of BLAS, as the matrices of a fit are small.

OpenBLAS shares products and factorisations between all cores. Where each takes a millisecond,
threads wait for each other longer than they work, and they wait actively; on a busy machine they
wait until other programs give way. A small fit then takes two to ten times as long.

Other BLAS libraries are left alone: MKL and Accelerate do not share what is small.
"""

from __future__ import annotations

import ctypes
import importlib
import os
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import product
from pathlib import Path
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

LARGE_MATRIX = 1000
"""Rows of a dense matrix from which on threads are left alone: its Cholesky factorisation takes 20
to 30 ms on one core, so that an idle machine gains by sharing it. With two busy cores two threads
took 20 times as long at 200 to 500 rows in the worst of 60 factorisations, and 10 times in the
median at 1,000."""


@lru_cache(maxsize=1)
def can_start() -> bool:
    """Whether a thread can be started here: not in a browser (WebAssembly)."""
    thread = threading.Thread(target=int)
    try:
        thread.start()
    except RuntimeError:
        return False
    thread.join()
    return True


def mapped(
    function: Callable[[Item], Result], items: Iterable[Item], at_least: int = 2
) -> list[Result]:
    """Apply a function to every item, on several threads where they can start.

    Parameters
    ----------
    function : callable
        One that lets other threads work, as NumPy does with large arrays.
    items : iterable
    at_least : int
        With fewer items threads cost more than they gain.
    """
    every = list(items)
    if len(every) < at_least or not can_start():
        return [function(item) for item in every]
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        return list(pool.map(function, every))


@dataclass(frozen=True, slots=True)
class _Library:
    """The number of threads of one OpenBLAS, of the whole process."""

    threads: Callable[[], int]
    set_threads: Callable[[int], None]

    @classmethod
    def at(cls, path: str) -> _Library | None:
        """The library of this file, which is loaded; None if it has no such functions."""
        try:
            library = ctypes.CDLL(path)
        except OSError:
            return None
        for prefix, suffix in product(("scipy_openblas", "openblas"), ("64_", "", "_64")):
            get = getattr(library, f"{prefix}_get_num_threads{suffix}", None)
            put = getattr(library, f"{prefix}_set_num_threads{suffix}", None)
            if get is not None and put is not None:
                put.argtypes, put.restype = [ctypes.c_int], None
                return cls(get, put)
        return None


def _loaded() -> list[_Library]:
    """Every OpenBLAS in this process."""
    libraries = (_Library.at(path) for path in sorted(_paths()))
    return [library for library in libraries if library is not None]


def _paths() -> set[str]:
    """Files of the OpenBLAS libraries in this process: those mapped, or the wheels' own."""
    maps = Path("/proc/self/maps")
    if maps.exists():
        lines = maps.read_text(encoding="utf-8", errors="replace").splitlines()
        mapped = {line.split(maxsplit=5)[5] for line in lines if "openblas" in line}
        return {file for file in mapped if "openblas" in os.path.basename(file)}
    files: set[str] = set()
    for name in ("numpy", "scipy"):
        if f"{name}.linalg" in sys.modules:
            home = Path(str(importlib.import_module(name).__file__)).parent
            folders = (home.with_name(f"{name}.libs"), home / ".dylibs")
            files |= {str(file) for folder in folders for file in folder.glob("*openblas*")}
    return files


@dataclass(slots=True)
class _Limit:
    """How many fits are within `one_blas_thread`, and what there was before the first."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    within: int = 0
    before: list[tuple[_Library, int]] = field(default_factory=list)
    libraries: list[_Library] | None = None
    with_scipy: bool = False

    def enter(self) -> None:
        with self.lock:
            if self.within == 0:
                with_scipy = "scipy.linalg" in sys.modules  # which brings an OpenBLAS of its own
                if self.libraries is None or with_scipy != self.with_scipy:
                    self.libraries, self.with_scipy = _loaded(), with_scipy
                self.before = [(library, library.threads()) for library in self.libraries]
                for library, _ in self.before:
                    library.set_threads(1)
            self.within += 1

    def leave(self) -> None:
        with self.lock:
            self.within -= 1
            if self.within == 0:
                for library, threads in self.before:
                    library.set_threads(threads)


_limit = _Limit()


@contextmanager
def one_blas_thread(largest: int = 0) -> Iterator[None]:
    """Let OpenBLAS use one thread, and afterwards as many as before.

    The number of threads is one of the whole process: where several threads of Python are within,
    the first sets it and the last restores it.

    Parameters
    ----------
    largest : int
        Rows of the largest dense matrix; from 1,000 on nothing is limited.
    """
    if largest >= LARGE_MATRIX:
        yield
        return
    _limit.enter()
    try:
        yield
    finally:
        _limit.leave()
