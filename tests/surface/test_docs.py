"""What README, docs and help show is run as it stands."""

import io
import re
import shlex
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import partialpool as pp
from partialpool.cli import main
from partialpool.cli.main import cli

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
RNG = np.random.default_rng(5)
GROUPS, ROWS = 12, 240
PLACE = np.arange(ROWS) % GROUPS
LEVEL = RNG.normal(0.0, 0.6, GROUPS)[PLACE]


def named(prefix, place=PLACE):
    return np.array([f"{prefix} {i}" for i in place], dtype=object)


def rows():
    """Columns by the names that the pages use."""
    x, n = RNG.normal(size=ROWS), RNG.integers(5, 60, ROWS)
    zero_one = RNG.binomial(1, 1 / (1 + np.exp(-LEVEL)))
    rate = RNG.poisson(np.exp(1 + LEVEL))
    groups = ("school", "site", "county", "segment", "region", "district", "player", "person")
    return {
        **{k: named(k) for k in groups},
        "tract": named("tract", np.arange(ROWS) % 60),
        "item": named("item", np.arange(ROWS) // 20),
        "row": np.arange(ROWS),
        "year": 2001 + np.arange(ROWS) % 5,
        "arm": np.where(np.arange(ROWS) // GROUPS % 2, "B", "A"),
        "kind": named("kind", np.arange(ROWS) % 2),
        "urban": named("urban", np.arange(ROWS) % 2),
        "score": 60 + 8 * LEVEL + RNG.normal(0, 5, ROWS),
        "y": LEVEL + x + RNG.normal(size=ROWS),
        **dict.fromkeys(("x", "age", "depth"), x),
        **dict.fromkeys(("hours", "years", "area"), RNG.uniform(1, 3, ROWS)),
        **dict.fromkeys(("bought", "use", "correct"), zero_one),
        **dict.fromkeys(("count", "deaths", "pairs"), rate),
        "visits": n,
        "at_bats": n,
        "hits": RNG.binomial(n, 1 / (1 + np.exp(-LEVEL))),
    }


def sites():
    """One row a site."""
    return {
        "site": named("site", range(GROUPS)),
        "effect": RNG.normal(3, 2, GROUPS),
        "se": RNG.uniform(1, 2, GROUPS),
        "mean": RNG.normal(3, 2, GROUPS),
        "sd": RNG.uniform(4, 5, GROUPS),
        "n": RNG.integers(3, 30, GROUPS),
    }


class ByNeed(dict):
    """Columns of rows, or of sites where a formula asks for these."""

    def __init__(self):
        super().__init__(rows())
        self.sites = sites()


def write(name, table, columns):
    lines = [",".join(columns)]
    lines += [",".join(str(table[c][i]) for c in columns) for i in range(len(table[columns[0]]))]
    Path(name).write_text("\n".join(lines) + "\n", encoding="utf-8")


@pytest.fixture
def files(tmp_path, monkeypatch):
    """The files that the pages name."""
    monkeypatch.chdir(tmp_path)
    every = rows()
    for day in ("scores", "monday", "tuesday", "wednesday", "new"):
        write(f"{day}.csv", every, ["school", "score"])
    write("trials.csv", sites(), ["site", "effect", "se"])
    write("visits.csv", {**every, "bought": every["hits"]}, ["segment", "bought", "visits"])
    write(
        "results.csv",
        {"school": every["school"], "result": np.where(every["bought"], "Pass", "Fail")},
        ["school", "result"],
    )
    write("test.csv", {**every, "bought": every["hits"]}, ["segment", "arm", "bought", "visits"])
    poll = pp.simulate.poll(people=400, states=6, seed=1)
    write("poll.csv", poll.answers, list(poll.answers))
    write("people.csv", poll.cells, list(poll.cells))
    write("batting.csv", every, ["player", "hits", "at_bats"])
    for site in ("here", "there"):
        columns = {k: every[k].tolist() for k in ("y", "x", "kind", "school", "year")}
        pq.write_table(pa.table(columns), f"{site}.parquet")
    kept = pp.statistics("score ~ 1 + (1 | school)", "scores.csv")
    for name in ("all", "s", "hospital-1", "hospital-2"):
        kept.save(f"{name}.parquet")
    return tmp_path


def fit_with_right_rows(formula, data, **options):
    """`pp.fit`, with rows of sites where a formula is of sites."""
    if isinstance(data, ByNeed) and re.match(r"(effect|mean) \|", formula):
        data = data.sites
    return pp.fit(formula, data, **options)


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_python_of_a_page_runs(page, files):
    blocks = re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    site, radon = sites(), pp.datasets.radon()
    names = {
        "np": np, "data": ByNeed(), "women": rows(), "catches": rows(), "answers": rows(),
        "new_rows": {k: v[:4] for k, v in radon.items()},
        "n": site["n"], "m": site["mean"], "s": site["sd"], "g": list(site["site"]),
        "y": site["effect"], "se": site["se"], "pp": pp, "spark_frame": rows(),
    }  # fmt: skip
    for block in blocks:
        code = block.replace("pp.fit(", "fit_with_right_rows(")
        names["fit_with_right_rows"] = fit_with_right_rows
        exec(compile(code, page.name, "exec"), names)


def commands():
    """Every command shown in a page or in the help, but those that stay open, once."""
    lines = [
        line
        for page in PAGES
        for line in page.read_text(encoding="utf-8").splitlines()
        if re.match(r" {4}(cat \S+ \| )?partialpool ", line)
    ]
    for command in cli.commands.values():
        lines += [
            x for x in map(str.strip, (command.help or "").splitlines()) if x[:12] == "partialpool "
        ]
    found = dict.fromkeys(line.split("#")[0].strip() for line in lines)
    return [c for c in found if not c.startswith("partialpool app")]


@pytest.mark.parametrize("command", commands())
def test_a_command_shown_runs(command, files, monkeypatch, capsys):
    words = shlex.split(command)
    if words[0] == "cat":
        given = io.BytesIO(Path(words[1]).read_bytes())
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(given))
        words = words[3:]
    with pytest.raises(SystemExit) as ended:
        main(words[1:])
    assert ended.value.code == 0, capsys.readouterr().err


def test_commands_are_found():
    assert len(commands()) > 20
