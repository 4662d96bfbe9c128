"""What the simulator shows: a state that is always allowed, and its forms elsewhere."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from urllib.parse import urlencode

from partialpool.app import controls
from partialpool.simulate import World
from partialpool.simulate.world import Population

ALWAYS = ("no_pooling", "complete_pooling")


@dataclass(frozen=True, slots=True)
class Simulation:
    """The settings of the simulator; see `controls.SIMULATOR`."""

    groups: int = 12
    n: int = 15
    imbalance: float = 0.7
    tau: float = 5.0
    sigma: float = 10.0
    population: Population = "normal"
    estimator: str = "posterior"
    sigma_known: bool = False
    seed: int = 1

    @classmethod
    def read(cls, values: object) -> Simulation:
        """Read from anything that has `get`: a URL's query, or what a browser sent."""
        found = controls.read(controls.SIMULATOR, values)
        whole = {"groups", "n", "seed"}
        return cls(**{k: int(v) if k in whole else v for k, v in found.items()})  # type: ignore[arg-type]

    @property
    def world(self) -> World:
        """The world of these settings."""
        return World.of(
            self.groups,
            self.n,
            self.tau,
            imbalance=self.imbalance,
            sigma=self.sigma,
            population=self.population,
        )

    @property
    def estimators(self) -> tuple[str, ...]:
        """No and complete pooling, the estimator chosen, and those that are compared with it."""
        return tuple(dict.fromkeys((*ALWAYS, self.estimator, "moments", "posterior")))

    @property
    def query(self) -> str:
        """The settings that differ from the default, as a URL's query."""
        default = asdict(Simulation())
        changed = {k: v for k, v in asdict(self).items() if v != default[k]}
        return urlencode({k: _plain(v) for k, v in changed.items()})

    @property
    def python(self) -> str:
        """The same draw from Python."""
        sizes = f"{self.groups}, {self.n}, {_plain(self.tau)}, imbalance={_plain(self.imbalance)}"
        population = "" if self.population == "normal" else f', population="{self.population}"'
        names = ", ".join(f'"{name}"' for name in self.estimators)
        options = f"seed={self.seed}, sigma_known={self.sigma_known}, estimators=({names})"
        return "\n".join([
            "import partialpool as pp",
            "",
            f"world = pp.simulate.World.of({sizes}, sigma={_plain(self.sigma)}{population})",
            f"drawn = pp.simulate.draw(world, {options})",
            "drawn.table(), drawn.errors",
            f'pp.simulate.shrinkage(drawn, "{self.estimator}")',
            f"pp.simulate.risks(world, replicates=2000, {options})",
        ])  # fmt: skip

    @property
    def command(self) -> str:
        """The same draw from the command line."""
        sizes = ",".join(map(str, self.world.n))
        parts = [f"--sizes {sizes}", f"--tau {_plain(self.tau)}", f"--sigma {_plain(self.sigma)}"]
        if self.population != "normal":
            parts.append(f"--population {self.population}")
        if not self.sigma_known:
            parts.append("--sigma-unknown")
        return f"partialpool simulate {' '.join(parts)} --seed {self.seed}"


def _plain(value: object) -> object:
    """As a URL and code write it."""
    if isinstance(value, bool):
        return int(value)
    return f"{value:g}" if isinstance(value, float) else value
