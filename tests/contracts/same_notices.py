"""Notices of two fits of the same rows, whichever backend read them."""


def told(notices, *, dropped=True):
    """Codes, levels and texts.

    How many values each column misses is said of rows in memory only; it is left out here, and
    with ``dropped=False`` (of readings, which say it only there) the whole notice.
    """
    found = []
    for notice in notices:
        if notice.code == "rows_dropped":
            if dropped:
                text = notice.text.split(" missing")[0]
                found.append((notice.code, notice.level, text))
            continue
        found.append((notice.code, notice.level, notice.text))
    return found
