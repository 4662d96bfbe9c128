"""Populations by their words, ``student(7)``, and with which outcomes and formulas each goes."""

from __future__ import annotations

from dataclasses import fields
from typing import Literal, get_args

from partialpool.errors import (
    ArgumentError,
    FormulaError,
    UnsupportedFormulaError,
    did_you_mean,
)
from partialpool.formula import Roles, parse_named_call
from partialpool.formula.families import WITHOUT_DISPERSION
from partialpool.formula.roles import beyond_one_way
from partialpool.formula.tree import Expression, Name, Number, Unary
from partialpool.models.populations import LEARNED, POPULATIONS, Population

CountPopulation = Literal["normal", "beta", "gamma"]
"""Populations of counts whose groups' integral has a form or a rule of its own."""
AnyPopulation = Population | CountPopulation
"""What groups come from; its text is how it is written."""
PopulationLike = str | Population | None

CONJUGATE: dict[str, CountPopulation] = {"binomial": "beta", "poisson": "gamma"}
"""The population of probabilities or rates whose integral with counts of a family is closed."""
OTHER_WORDS = {
    "gaussian": "normal", "t": "student", "student_t": "student", "spike_and_slab": "point_normal",
}  # fmt: skip
"""What other packages call the populations."""
EXAMPLES = {"df": "4", "share": "0.1", "ratio": "5"}
"""A usual value of what a population may learn."""
WORDS = ("normal", *POPULATIONS, "beta", "gamma")


def parse_population(text: str) -> AnyPopulation:
    """Read a population such as ``student(7)`` or ``contaminated(share=0.1, ratio=5)``.

    Raises
    ------
    ArgumentError
        If there is no such population, or its numbers do not fit.

    Examples
    --------
    >>> parse_population("student(learned)"), parse_population("contaminated(ratio=5)")
    (Student(df='learned'), Contaminated(share=None, ratio=5.0))
    """
    bare = text.strip()
    try:
        word, values, named = parse_named_call(bare if "(" in bare else f"{bare}()")
    except FormulaError as error:
        if "given twice" in error.problem:
            raise ArgumentError(f'population "{text}": {error.problem}; give one value') from error
        raise ArgumentError(
            f'the population "{text}" cannot be read; write a word such as student, or '
            "student(7) or contaminated(share=0.1, ratio=5)"
        ) from error
    word = OTHER_WORDS.get(word.lower(), word.lower())
    if word in POPULATIONS:
        return _built(POPULATIONS[word], values, named, text)
    plain = next((w for w in get_args(CountPopulation) if w == word), None)
    if plain is None:
        raise ArgumentError(
            f'there is no population "{text}"; {did_you_mean(word, WORDS)}'
            f"the populations are {', '.join(WORDS)}"
        )
    if values or named:
        raise ArgumentError(f'population "{text}": {word} takes no numbers; write {word}')
    population: CountPopulation = plain
    return population


def _built(
    kind: type[Population],
    values: tuple[Expression, ...],
    named: dict[str, Expression],
    text: str,
) -> Population:
    """A population from its arguments, in their order or by name."""
    wanted = [f.name for f in fields(kind)]
    written = f"{kind.text_name}({', '.join(f'{w}=...' for w in wanted)})"
    if len(values) > len(wanted):
        raise ArgumentError(f'population "{text}" has too many numbers; write {written}')
    stated = dict(zip(wanted, values, strict=False))
    for name, value in named.items():
        if name not in wanted:
            hint = did_you_mean(name, wanted)
            raise ArgumentError(f'population "{text}" has no {name}; {hint}write {written}')
        if name in stated:
            raise ArgumentError(f'population "{text}" has two values of {name}; give one')
        stated[name] = value
    return kind(**{name: _value(value, text) for name, value in stated.items()})


def _value(argument: Expression, text: str) -> float | str:
    match argument:
        case Number():
            return argument.value
        case Unary(operator=sign, operand=Number() as size):
            return size.value * (-1.0 if sign == "-" else 1.0)
        case Name(name=word) if word == LEARNED:
            return LEARNED
    raise ArgumentError(
        f'population "{text}": a value is a number or the word {LEARNED}, not {argument}'
    )


def population_of(stated: PopulationLike, roles: Roles, method: str) -> AnyPopulation:
    """The population of the groups: what is stated, or what the roles name.

    Raises
    ------
    ArgumentError
        If there is no such population, or it does not go with the family or the method.
    UnsupportedFormulaError
        If it is not normal and the formula is of more than one factor with an intercept.
    """
    named = roles.population if stated is None else stated
    if named is not None and not isinstance(named, str | Population):
        raise ArgumentError(
            f"population={named!r}: it is a word such as {', '.join(WORDS[:3])}, or an object "
            "such as pp.Student(df=4)"
        )
    if named is None:
        return "normal"
    population = parse_population(named) if isinstance(named, str) else named
    if population == "normal":
        return population
    if roles.dispersed:
        raise ArgumentError(
            f'population="{population}" does not go with family="{roles.family}", whose groups are '
            "normal: leave population out, or use it with a family without a dispersion"
        )
    _check_family(population, roles)
    if not roles.one_way or roles.noise_by_group:
        raise _beyond(population, roles)
    if method != "posterior":
        raise ArgumentError(
            f'method="{method}" is for normal populations; population="{population}" is fitted '
            'with method="posterior"'
        )
    return population


def _check_family(population: AnyPopulation, roles: Roles) -> None:
    """Refuse beta and gamma where the family is another."""
    if isinstance(population, Population) or population == CONJUGATE.get(roles.family or ""):
        return
    family = next(f for f, of in CONJUGATE.items() if of == population)
    rows = f"{roles.family} counts" if roles.family else "measurements"
    others = [CONJUGATE[roles.family]] if roles.family in CONJUGATE else []
    allowed = ", ".join(["normal", *POPULATIONS, *others])
    raise ArgumentError(
        f'population="{population}" goes with family="{family}", not with {rows}, whose population '
        f"is one of {allowed}"
    )


def _beyond(population: AnyPopulation, roles: Roles) -> UnsupportedFormulaError:
    what = "a formula of sigma" if roles.noise_by_group else beyond_one_way(roles)
    way = "leave the population out (normal)"
    if roles.family is not None:
        way += "; for rows that vary by more than the family says add (1 | row)"
    return UnsupportedFormulaError(
        f'{what} does not go with population="{population}", which is fitted for one factor with '
        f"an intercept, such as {roles.outcome} ~ 1 + (1 | {roles.group}); {way}",
        roles.text,
        max(roles.text.find("~"), 0),
    )


def without_priors(
    family: str | None, population: AnyPopulation = "normal", factor: str = ""
) -> dict[str, str]:
    """Why some parameters take no prior, by the names that they may go by.

    Parameters
    ----------
    family : str or None
        Of counts without a dispersion; None of measurements.
    population : Population or str
    factor : str
    """
    wider = [wide for wide, plain in WITHOUT_DISPERSION.items() if plain == family]
    out = {}
    if family not in WITHOUT_DISPERSION:
        way = f', or write family="{wider[0]}"' if wider else "; of measurements it is sigma"
        out["dispersion"] = (
            f"there is no dispersion to give a prior: the {family or 'gaussian'} family has none, "
            f"the families with one are {' and '.join(WITHOUT_DISPERSION)}; leave it out{way}"
        )
    if isinstance(population, Population):
        for name, said in _of_population(population).items():
            out |= dict.fromkeys((name, f"{name}[{factor}]"), said)
    return out


def _of_population(population: Population) -> dict[str, str]:
    """Why what a population learns, or could learn, takes no prior; by name."""
    stated = {f.name: getattr(population, f.name) for f in fields(population) if f.name != "mean"}
    out = {
        name: f"{name} is {value} here, as stated, so that it takes no prior; leave it out"
        for name, value in stated.items()
    }
    for name, prior in population.hyperpriors.items():
        out[name] = f"the prior of {name} is {prior} and cannot be changed; leave it out"
        if name in stated:
            example = f"{population.text_name}({name}={EXAMPLES[name]})"
            out[name] += f', or state {name} itself, such as population="{example}"'
    return out
