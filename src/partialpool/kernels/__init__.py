"""Arrays in, arrays out: vectorised, stateless, without a Python loop over groups."""
