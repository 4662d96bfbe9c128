"""The command, called in this process."""

import io
import sys
from dataclasses import dataclass

import pytest

from partialpool.cli import main


@dataclass
class Result:
    code: int
    out: str
    err: str


@pytest.fixture
def run(capsys, monkeypatch):
    """Run `partialpool` with arguments, and bytes on standard input."""

    def call(*arguments, stdin=b""):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        with pytest.raises(SystemExit) as caught:
            main([str(a) for a in arguments])
        return Result(caught.value.code, *capsys.readouterr())

    return call


@pytest.fixture
def scores(tmp_path):
    """A CSV file of four schools."""
    path = tmp_path / "scores.csv"
    lines = [f"{'NSEW'[i % 4]},{60 + 7 * (i % 4) + (i * 5 % 11)}" for i in range(28)]
    path.write_text("\n".join(["school,score", *lines, "N,NA"]) + "\n")
    return path
