"""The app as an ASGI application, and a server for it."""

from __future__ import annotations

import os
import threading
import webbrowser
from typing import Any

from partialpool.errors import ArgumentError, MissingExtraError


def make_app(
    file: str | None = None, *, host: str = "127.0.0.1", names: tuple[str, ...] = ()
) -> Any:
    """Return the app as an ASGI application.

    Parameters
    ----------
    file : str, optional
        A data file to start with. Whoever reaches the server can read it.
    host : str
        Where the server will listen: requests for other names are refused.
    names : tuple of str
        Further names by which it is reached, as behind a proxy.

    Raises
    ------
    ArgumentError
        If there is no such file.
    MissingExtraError
        If the extra `app` is not installed.
    """
    if file is not None and not os.path.isfile(file):
        raise ArgumentError(f'there is no file "{file}" (looked in {os.getcwd()})')
    try:
        import starlette
        import uvicorn
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            f"the app needs {error.name}, which is not installed: pip install 'partialpool[app]' "
            "(in a clone: sh scripts/environment app)"
        ) from error
    assert starlette
    assert uvicorn
    # jobs inherit it: each has one core, and threads of BLAS would only take time from others
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    from partialpool.app.server import application

    return application(file, host=host, names=names)


def run(
    file: str | None, *, host: str, port: int, browser: bool, names: tuple[str, ...] = ()
) -> None:
    """Serve the app until interrupted.

    Parameters
    ----------
    file : str, optional
        A data file to start with.
    host, port : str, int
        Where to listen; port 0 takes a free one.
    browser : bool
        Whether to open a browser.
    names : tuple of str
        Further names by which the server is reached.
    """
    app = make_app(file, host=host, names=names)
    import uvicorn

    if browser:
        part = "?part=file" if file else ""
        opened = f"http://{'127.0.0.1' if host in ('0.0.0.0', '::') else host}:{port}/{part}"
        threading.Timer(1.0, webbrowser.open, [opened]).start()
    uvicorn.run(
        app,
        host=host,
        port=port,
        http="h11",
        ws="none",
        log_level="warning",
        access_log=False,
        server_header=False,
        limit_concurrency=1000,
        timeout_keep_alive=10,
        timeout_graceful_shutdown=2,
    )
