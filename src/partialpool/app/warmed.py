"""Imported by the process from which jobs are forked, and by nothing else: makes a first fit.

What is loaded once is then there in every job. No file is read that needs DuckDB: its threads would
not survive a fork.
"""

import gc

from partialpool.app.work import rehearse

rehearse()
gc.collect()
gc.freeze()  # so that no job copies pages by collecting what it did not make
