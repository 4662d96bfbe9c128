"""`partialpool app`: the web app."""

from __future__ import annotations

from dataclasses import dataclass

import click

from partialpool.app import run as serve


@dataclass(frozen=True, slots=True)
class AppOptions:
    """What was asked for; see the command's help."""

    file: str | None
    host: str
    port: int
    browser: bool
    allow_host: tuple[str, ...]
    debug: bool


def run(options: AppOptions) -> None:
    """Serve until interrupted."""
    where = f"http://{options.host}:{options.port}"
    click.echo(f"partialpool is at {where} (stop with Ctrl-C)", err=True)
    if options.file and options.host not in ("127.0.0.1", "localhost", "::1"):
        click.echo(f'whoever reaches it can read "{options.file}"', err=True)
    serve(
        options.file,
        host=options.host,
        port=options.port,
        browser=options.browser,
        names=options.allow_host,
    )
