"""Families of counts as they are called in a sentence, and which of two lets rows vary more."""

from __future__ import annotations

from partialpool.formula.families import WITHOUT_DISPERSION

PLAIN = {"negative_binomial": "negative binomial", "beta_binomial": "beta-binomial"}
WIDER: dict[str, str] = {family: wide for wide, family in WITHOUT_DISPERSION.items()}
"""The family whose rows vary more."""


def family_words(family: str) -> str:
    """What a family is called in a sentence."""
    return PLAIN.get(family, family)
