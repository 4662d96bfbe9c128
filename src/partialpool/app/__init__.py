"""The web app: a lesson and a laboratory that run in the browser, and the user's own file.

Static files in `www`, and behind "Your file" the library: `your_file.py`, which a server asks in
processes of their own, or a web worker in the browser. Serving needs the extra `app`.
"""

from partialpool.app.start import make_app, run

__all__ = ["make_app", "run"]
