"""BLAS threads: one within a fit and its tables, as many as before afterwards."""

import threading

import numpy as np
import pytest
from scipy import linalg

import partialpool as pp
from partialpool import threads
from partialpool.posterior import fit_engine
from partialpool.records import CrossProducts
from partialpool.threads import LARGE_MATRIX, _loaded, _paths, one_blas_thread


def blas_threads():
    return {library.threads() for library in _loaded()}


@pytest.fixture(autouse=True)
def _two_threads():
    """As on a machine of two cores, whatever the environment says."""
    assert linalg.cholesky(np.eye(2))[0, 0] == 1.0  # SciPy has an OpenBLAS of its own
    libraries = _loaded()
    if not libraries:
        pytest.skip("no OpenBLAS here")
    before = [library.threads() for library in libraries]
    for library in libraries:
        library.set_threads(2)
    assert blas_threads() == {2}
    yield
    assert blas_threads() == {2}
    for library, number in zip(libraries, before, strict=True):
        library.set_threads(number)


def test_both_libraries_of_the_wheels_are_seen(monkeypatch):
    """By what is mapped, and by where wheels keep them, as on systems without /proc."""
    mapped = _paths()
    if not any("numpy.libs" in path for path in mapped):
        pytest.skip("NumPy is not of a wheel for Linux")
    monkeypatch.setattr(threads.Path, "exists", lambda _: False)
    assert _paths() == mapped
    assert len(_loaded()) == 2


def test_one_within_and_as_many_as_before_afterwards():
    with one_blas_thread():
        assert blas_threads() == {1}
        with one_blas_thread():
            assert blas_threads() == {1}
        assert blas_threads() == {1}
    assert blas_threads() == {2}
    with pytest.raises(ValueError, match="inside"), one_blas_thread():
        raise ValueError("inside")
    assert blas_threads() == {2}


def test_large_matrices_keep_their_threads():
    with one_blas_thread(largest=LARGE_MATRIX):
        assert blas_threads() == {2}
    with one_blas_thread(largest=LARGE_MATRIX - 1):
        assert blas_threads() == {1}


def test_threads_of_python_that_overlap():
    """The one that began first ends first, which is where saving and restoring goes wrong."""
    inside, out = threading.Event(), threading.Event()

    def first():
        with one_blas_thread():
            inside.set()
            out.wait(10)

    thread = threading.Thread(target=first)
    thread.start()
    inside.wait(10)
    with one_blas_thread():
        out.set()
        thread.join()
        assert blas_threads() == {1}
    assert blas_threads() == {2}


@pytest.mark.parametrize(
    ("room", "engine", "call"),
    [
        (fit_engine, "mixed_posterior",
         lambda: pp.fit("reaction ~ days + (days | subject)", pp.datasets.sleepstudy())),
        (fit_engine, "estimated",
         lambda: pp.fit("reaction ~ days + (1 | subject)", pp.datasets.sleepstudy(), method="ml")),
        (fit_engine, "generalized_posterior",
         lambda: pp.fit("germinated | trials(seeds) ~ extract + (1 | plate)",
                        pp.datasets.seeds())),
        (fit_engine, "estimated_counts",
         lambda: pp.fit("germinated | trials(seeds) ~ extract + (1 | plate)",
                        pp.datasets.seeds(), method="ml")),
        (fit_engine, "counts_posterior",
         lambda: pp.fit("hits | trials(at_bats) ~ 1 + (1 | player)", pp.datasets.batting())),
    ],
)  # fmt: skip
def test_fits_have_one(monkeypatch, room, engine, call):
    seen = []
    real = getattr(room, engine)

    def watched(*arguments, **options):
        seen.append(blas_threads())
        return real(*arguments, **options)

    monkeypatch.setattr(room, engine, watched)
    fit = call()
    assert seen == [{1}]
    holder = type(getattr(fit._engine, "given", fit._engine))
    table = holder.group_table

    def watched_table(*arguments, **options):
        seen.append(blas_threads())
        return table(*arguments, **options)

    monkeypatch.setattr(holder, "group_table", watched_table)
    fit.groups()
    assert seen == [{1}, {1}]


def test_rows_of_the_dense_system():
    rng = np.random.default_rng(1)
    g = np.arange(240)
    data = {"y": rng.normal(size=240), "x": rng.normal(size=240),
            "a": g % 8, "b": g % 30, "c": g % 15, "d": rng.integers(0, 5, 240)}  # fmt: skip

    def rows(formula):
        products = pp.fit(formula, data, method="ml").statistics
        assert isinstance(products, CrossProducts)
        return fit_engine.dense_rows(products)

    assert rows("y ~ x + (x | a)") == 2  # one factor: eliminated group by group
    assert rows("y ~ x + (1 | c) + (1 | b)") == 2  # b % 15 is c: nested
    assert rows("y ~ x + (1 | b) + (x | d)") == 2 + 10  # crossed: the 30 are eliminated
