"""`partialpool datasets`: the bundled data sets."""

from __future__ import annotations

import json

import click

from partialpool.datasets import catalogue


def run(as_json: bool) -> None:
    """List the bundled data sets."""
    rows = [
        {
            "name": d.name,
            "field": d.field,
            "formula": d.formula,
            "title": d.title,
            "citation": d.citation,
        }
        | ({} if d.family is None else {"family": d.family})
        for d in catalogue
    ]
    if as_json:
        click.echo(json.dumps(rows, ensure_ascii=False, indent=2))
        return
    width = max(len(d.name) for d in catalogue)
    for d in catalogue:
        click.echo(f"{d.name:<{width}}  {d.field}: {d.title} ({d.citation})")
        family = f"  (family {d.family})" if d.family else ""
        click.echo(f"{'':<{width}}  {d.formula}{family}")
    fields: dict[str, list[str]] = {}
    for d in catalogue:
        fields.setdefault(d.field, []).append(d.name)
    wide = max(map(len, fields))
    click.echo("\nBy field")
    for field, names in fields.items():
        click.echo(f"{field:<{wide}}  {', '.join(names)}")
    click.echo(f"\nFit one by name: partialpool fit {catalogue[0].name}")
