"""Formulas: text to a frozen tree. Nothing in a formula is ever evaluated as Python."""

from partialpool.formula.families import CountFamily, count_family
from partialpool.formula.parser import parse, parse_call, parse_named_call
from partialpool.formula.roles import Roles, read_roles
from partialpool.formula.tree import Formula

__all__ = [
    "CountFamily",
    "Formula",
    "Roles",
    "count_family",
    "parse",
    "parse_call",
    "parse_named_call",
    "read_roles",
]
