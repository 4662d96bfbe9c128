class Estimated:
    pass


def estimated(statistics, method):
    raise SystemExit
