"""Families of counts as they are called in a sentence, and which of two lets rows vary more."""

from __future__ import annotations

PLAIN = {"negative_binomial": "negative binomial", "beta_binomial": "beta-binomial"}
WIDER = {"binomial": "beta_binomial", "poisson": "negative_binomial"}
"""The family whose rows vary more."""
NARROWER = {wide: family for family, wide in WIDER.items()}
"""The family whose rows have no dispersion."""


def family_words(family: str) -> str:
    """What a family is called in a sentence."""
    return PLAIN.get(family, family)
