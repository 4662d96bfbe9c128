"""What the command takes from a fresh process, in CPU time (user and system), and where it goes.

CPU time depends less on what else a machine does than wall time, but still by half: read each
number beside those of Python and of the libraries, which are measured in turn with it.
"""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
import tempfile

import timing

ROUNDS = 15
CASES = {
    "python": ["-c", "pass"],
    "import click": ["-c", "import click"],
    "partialpool --help": ["-m", "partialpool", "--help"],
    "import numpy": ["-c", "import numpy"],
    "import scipy.special": ["-c", "import scipy.special"],
    "all that a fit needs of others": [
        "-c", "import scipy.special, click, rich.console, rich.table",
    ],
    "import partialpool": ["-c", "import partialpool"],
    "partialpool fit eight_schools": ["-m", "partialpool", "fit", "eight_schools"],
    "partialpool simulate": ["-m", "partialpool", "simulate", "--groups", "8", "--n", "10"],
}  # fmt: skip


def cpu(arguments: list[str], bytecode: str) -> float:
    """Seconds of CPU of a fresh interpreter that runs these arguments."""
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPYCACHEPREFIX": bytecode}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # an installed package has its bytecode
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(
        [sys.executable, *arguments], stdout=subprocess.DEVNULL, env=environment, check=True
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    """Print the median and the least of each case."""
    print(f"{timing.machine()}; {ROUNDS} rounds in turn, seconds of CPU")
    times: dict[str, list[float]] = {name: [] for name in CASES}
    with tempfile.TemporaryDirectory() as bytecode:
        for round_ in range(ROUNDS + 1):
            for name, arguments in CASES.items():
                seconds = cpu(arguments, bytecode)
                if round_:  # the first round compiles
                    times[name].append(seconds)
    for name, values in times.items():
        print(f"{name:<32} median {statistics.median(values):.3f}   least {min(values):.3f}")


if __name__ == "__main__":
    main()
