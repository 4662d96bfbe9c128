"""The app as an ASGI application, and a server for it."""

from __future__ import annotations

import gc
import os
from typing import Any

from partialpool.errors import ArgumentError, MissingExtraError


def make_app(file: str | None = None) -> Any:
    """Return the app, a `shiny.App`.

    Parameters
    ----------
    file : str, optional
        A data file to start with.

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
        import altair
        import shiny
        import vl_convert
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            f"the app needs {error.name}, which is not installed: pip install 'partialpool[app]' "
            "(in a clone: sh scripts/environment app)"
        ) from error
    assert altair
    assert vl_convert
    from starlette.middleware.gzip import GZipMiddleware

    from partialpool.app import assets
    from partialpool.app.jobs import Workers
    from partialpool.app.limits import UploadLimit
    from partialpool.app.page import page
    from partialpool.app.quiet import Quiet
    from partialpool.app.server import server
    from partialpool.app.settings import LARGEST_UPLOAD

    workers = Workers()
    name = None if file is None else os.path.basename(file)
    app = shiny.App(page(name), server(workers, file))
    app.on_shutdown(workers.close)
    app.starlette_app.routes[:0] = assets.routes()
    app.starlette_app.add_middleware(GZipMiddleware, minimum_size=500)
    app.starlette_app.add_middleware(Quiet)
    app.starlette_app.add_middleware(UploadLimit, most=LARGEST_UPLOAD)
    return app


def run(file: str | None, *, host: str, port: int, browser: bool) -> None:
    """Serve the app until interrupted.

    Parameters
    ----------
    file : str, optional
        A data file to start with.
    host, port : str, int
        Where to listen; port 0 takes a free one.
    browser : bool
        Whether to open a browser.
    """
    app = make_app(file)
    from threading import Thread

    import shiny

    from partialpool.app.assets import charts_script
    from partialpool.app.jobs import warm
    from partialpool.app.simulator import build_frames

    # a second or two each, once, while the browser opens
    for slow in (warm, charts_script, build_frames):
        Thread(target=slow, daemon=True).start()
    gc.collect()
    gc.freeze()  # what has been imported stays: to look through it again takes 60 ms each time
    serve: Any = shiny.run_app  # None where there is no server, as inside a browser
    serve(app, host=host, port=port, launch_browser=browser, log_level="warning", dev_mode=False)
