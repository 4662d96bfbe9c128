"""Pages of which everything that they ask for, and everything that fails in them, is noted."""

from contextlib import contextmanager


def is_complaint(message):
    """Errors and warnings on the console."""
    return message.type in ("error", "warning")


@contextmanager
def watched(chromium, site, *, is_failure=is_complaint, patience=60_000):
    """Give what opens a blank page; in the end nothing came from elsewhere and nothing failed."""
    contexts, requests, failures = [], [], []

    def new_page(**options):
        context = chromium.new_context(**options)
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(patience)
        page.on("request", lambda r: requests.append(r.url))
        page.on("pageerror", lambda e: failures.append(str(e)))
        page.on("console", lambda m: is_failure(m) and failures.append(m.text))
        return page

    yield new_page
    for context in contexts:
        context.close()
    outside = [u for u in requests if not u.startswith((site, "data:", "blob:"))]
    assert outside == []
    assert failures == []
