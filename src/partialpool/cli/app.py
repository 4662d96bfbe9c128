"""`partialpool app`: the web app."""

from __future__ import annotations

import shlex
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
    export: str | None
    pyodide: str | None
    debug: bool


def run(options: AppOptions) -> None:
    """Serve until interrupted; or write the page to a folder."""
    if options.pyodide is not None and options.export is None:
        raise click.UsageError("--pyodide is for --export")
    if options.export is not None:
        _export(options.export, options)
        return
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


def _export(folder: str, options: AppOptions) -> None:
    if options.file is not None:
        raise click.UsageError("--export takes no FILE: readers bring their own")
    from partialpool.app.export import export

    written = export(folder, pyodide=options.pyodide)
    click.echo(
        f"{written.folder}: {written.files} files, {written.size / 1e6:.1f} MB. Put the folder on "
        f"any web server; to look at it now: python -m http.server -d "
        f"{shlex.quote(written.folder)} and open http://localhost:8000"
    )
