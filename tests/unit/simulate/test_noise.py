"""The noise: Philox's published answers, and uniform numbers that never change."""

import numpy as np
import pytest
from scipy import stats

from partialpool.simulate import World, worlds
from partialpool.simulate.noise import philox, uniforms

ALL = 0xFFFFFFFF
# the answers for Philox 4x32 with 10 rounds that its authors publish with their code (kat_vectors)
KNOWN = [
    ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
    ((ALL,) * 4, (ALL,) * 2, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
    (
        (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
        (0xA4093822, 0x299F31D0),
        (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
    ),
]


@pytest.mark.parametrize(("counter", "key", "words"), KNOWN)
def test_philox_gives_the_published_words(counter, key, words):
    assert tuple(int(w) for w in philox(counter, key)) == words


def test_philox_works_on_arrays_of_any_shapes():
    counters = np.random.default_rng(5).integers(0, 2**32, (4, 30), dtype=np.uint64)
    at_once = np.stack(philox([counters[0][:, None], counters[1], 2, 3], (4, 5)))
    for i, j in [(0, 0), (3, 17), (29, 29)]:
        one = philox([counters[0, i], counters[1, j], 2, 3], (4, 5))
        np.testing.assert_array_equal(at_once[:, i, j], one)


@pytest.mark.parametrize("seed", [0, 1, 2**32 - 1, 2**32, 2**62 + 12345])
def test_a_number_depends_on_its_own_place_only(seed):
    few = uniforms(seed, ("population", "mean"), 3, 5)
    many = uniforms(seed, ("mean", "spread", "population"), 4000, 11)
    np.testing.assert_array_equal(few[0], many[2][:3, :5])
    np.testing.assert_array_equal(few[1], many[0][:3, :5])


def test_seeds_that_differ_in_any_word_give_other_numbers():
    drawn = [uniforms(s, ("mean",), 2, 2)[0] for s in (0, 1, 2**32, 2**32 + 1, 2**62)]
    assert len(np.unique(drawn)) == 20


def test_numbers_are_uniform_and_independent():
    u, v, p = uniforms(3, ("population", "mean", "spread"), 2000, 50)
    for x in (u, v, p):
        assert 0 < x.min() < x.max() < 1
        assert stats.kstest(x.ravel(), "uniform").pvalue > 1e-3
    correlations = np.corrcoef([x.ravel() for x in (u, v, p, np.roll(u, 1), np.roll(v, 1, 0))])
    assert np.abs(correlations - np.eye(5)).max() < 4.5 / np.sqrt(u.size)


def test_within_sums_of_squares_are_drawn_when_asked_for():
    drawn = worlds(World((15,) * 4, 5.0), replicates=2000, seed=9)
    assert "ss" not in vars(drawn)
    assert stats.kstest(drawn.ss.ravel() / 100, stats.chi2(14).cdf).pvalue > 1e-3
    assert worlds(World((1, 2, 2), 5.0), seed=9).ss[0, 0] == 0
