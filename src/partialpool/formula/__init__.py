"""Formulas: text to a frozen tree. Nothing in a formula is ever evaluated as Python."""

from partialpool.formula.counts import (
    Columns,
    CountFamily,
    CountRoles,
    count_family,
    count_roles,
)
from partialpool.formula.mixed import Mixed, mixed
from partialpool.formula.parser import parse, parse_call
from partialpool.formula.roles import OneWay, one_way
from partialpool.formula.tree import Formula

__all__ = [
    "Columns",
    "CountFamily",
    "CountRoles",
    "Formula",
    "Mixed",
    "OneWay",
    "count_family",
    "count_roles",
    "mixed",
    "one_way",
    "parse",
    "parse_call",
]
