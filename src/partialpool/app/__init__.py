"""The web app: a simulator with known truth, the classic data sets, and the user's own file.

It computes and draws nothing itself: everything comes from the library. Needs the extra `app`.
"""

from partialpool.app.start import make_app, run

__all__ = ["make_app", "run"]
