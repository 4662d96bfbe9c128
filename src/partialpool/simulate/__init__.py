"""Worlds whose truth is known, and what each estimator does in them over many replicates."""

from partialpool.simulate.count_risks import CountDraw, CountRisks, count_draw, count_risks
from partialpool.simulate.counts import CountWorld, CountWorlds, count_worlds
from partialpool.simulate.design import design
from partialpool.simulate.draw import Draw, Pooled, draw
from partialpool.simulate.picture import shrinkage
from partialpool.simulate.polls import Poll, poll
from partialpool.simulate.risks import Risks, risks
from partialpool.simulate.show import show
from partialpool.simulate.world import World, Worlds, worlds

__all__ = [
    "CountDraw",
    "CountRisks",
    "CountWorld",
    "CountWorlds",
    "Draw",
    "Poll",
    "Pooled",
    "Risks",
    "World",
    "Worlds",
    "count_draw",
    "count_risks",
    "count_worlds",
    "design",
    "draw",
    "poll",
    "risks",
    "show",
    "shrinkage",
    "worlds",
]
