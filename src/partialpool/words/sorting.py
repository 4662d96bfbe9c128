"""The columns by which groups are sorted; apart, as the help needs no NumPy."""

SORTS = ("group", "n", "raw", "estimate", "sd", "shrinkage", "p_above")
