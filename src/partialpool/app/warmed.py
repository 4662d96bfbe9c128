"""Imported by the process from which jobs are forked, and by nothing else: makes a first fit.

What is loaded once is then there in every job. No file is read that needs DuckDB: its threads would
not survive a fork.
"""

import atexit
import gc
import os

import partialpool.app.jobs
from partialpool.app.work import rehearse

assert partialpool.app.jobs  # a job begins in it: to import it there takes 30 ms each time
rehearse()
gc.collect()
gc.freeze()  # so that no job copies pages by collecting what it did not make
atexit.register(os._exit, 0)  # DuckDB would complain of what is frozen; jobs do not come by here
