"""Do intervals of states cover their truth? Simulated polls, poststratified.

    python tests/calibration/polls.py run [WORLDS]      into polls.json, from where it stopped
    python tests/calibration/polls.py show

A world has 10,000 answers of 51 states, drawn as `pp.simulate.poll` says, with effects drawn anew;
the states' shares are averages over 12,240 cells, also of states in which nobody was asked. A
world takes several seconds, so that which states were covered is stored, and a test asks that it
is 93 to 97% and a world comes out the same today.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np

import partialpool as pp

STORE = Path(__file__).parent / "polls.json"
FORMULA = "yes ~ female + age + education + ethnicity + region + (1 | state)"
LEVELS = (0.5, 0.8, 0.95)


def world(seed, people=10_000, states=51):
    """Share of states covered at each level, and the mean and mean square of z."""
    poll = pp.simulate.poll(people=people, states=states, seed=seed)
    fit = pp.fit(FORMULA, poll.answers, family="binomial")
    average = fit.average(poll.cells, by="state", weights="n", unseen="new_group")
    place = {name: i for i, name in enumerate(poll.truth["state"].tolist())}
    truth = poll.truth["share"][[place[name] for name in average["state"].tolist()]]
    ends = [average.interval(level) for level in LEVELS]
    covered = [float(((low <= truth) & (truth <= high)).mean()) for low, high in ends]
    z = (truth - average["estimate"]) / average["sd"]
    return [*covered, float(z.mean()), float((z**2).mean())]


def stored():
    return json.loads(STORE.read_text(encoding="utf-8")) if STORE.exists() else []


def run(worlds):
    rows = stored()
    for seed in range(len(rows), worlds):
        rows.append([round(v, 4) for v in world(seed)])
        STORE.write_text(json.dumps(rows) + "\n", encoding="utf-8")
        print(seed, rows[-1], flush=True)


def show():
    rows = np.array(stored())
    error = rows.std(axis=0) / np.sqrt(len(rows))
    for k, level in enumerate(LEVELS):
        print(
            f"{level:.0%} intervals cover {rows[:, k].mean():.1%} (standard error {error[k]:.1%})"
        )
    print(
        f"of {len(rows)} worlds; mean of z {rows[:, 3].mean():.3f}, of z^2 {rows[:, 4].mean():.3f}"
    )


if __name__ == "__main__":
    if sys.argv[1:2] == ["run"]:
        run(int(sys.argv[2]) if len(sys.argv) > 2 else 200)
    show()
