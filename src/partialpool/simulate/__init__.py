"""Worlds whose truth is known, and what each estimator does in them over many replicates."""

from partialpool.simulate.counts import CountWorld, CountWorlds, count_worlds
from partialpool.simulate.design import design
from partialpool.simulate.risks import Risks, one_world, risks
from partialpool.simulate.world import World, Worlds, worlds

__all__ = [
    "CountWorld",
    "CountWorlds",
    "Risks",
    "World",
    "Worlds",
    "count_worlds",
    "design",
    "one_world",
    "risks",
    "worlds",
]
