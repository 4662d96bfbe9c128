"""Priors from text: ``tau ~ half_cauchy(5)``. Read by the formula parser; nothing is evaluated."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import fields, replace
from typing import Any

from partialpool.errors import FormulaError, PriorError, did_you_mean
from partialpool.formula import parse_call
from partialpool.formula.tree import Number, Unary
from partialpool.models import priors as menu
from partialpool.models.prior_set import Priors
from partialpool.models.priors import Prior

KINDS: dict[str, type[Prior]] = {
    kind.text_name: kind
    for kind in (
        menu.Flat, menu.Jeffreys, menu.HalfNormal, menu.HalfCauchy, menu.HalfT, menu.Exponential,
        menu.Uniform, menu.LogNormal, menu.InverseGammaSq, menu.UniformShrinkage, menu.DuMouchel,
        menu.Normal, menu.StudentT, menu.LKJ,
    )
}  # fmt: skip
PARAMETERS = ("mu", "Intercept", "tau", "sigma")
OF_NOISE = "sd_log_sigma"
OF_REGRESSIONS = ("beta", "rho")
DEFAULT = Priors()


def parse_prior(text: str) -> Prior:
    """Read one prior such as ``half_cauchy(5)``.

    Raises
    ------
    PriorError
        If the name is not in the menu or the numbers do not fit.

    Examples
    --------
    >>> parse_prior("half_t(3, 5)")
    HalfT(df=3.0, scale=5.0)
    """
    bare = text.strip()
    try:
        call = parse_call(f"{bare}()" if bare in KINDS and not fields(KINDS[bare]) else text)
    except FormulaError as error:
        raise PriorError(f'the prior "{text}" cannot be read: {error}') from error
    kind = KINDS.get(call.function)
    if kind is None:
        hint = did_you_mean(call.function, KINDS)
        raise PriorError(
            f'there is no prior "{call.function}"; {hint}the priors are {", ".join(KINDS)}'
        )
    wanted = [f.name for f in fields(kind)]
    values = [_number(argument, text) for argument in call.arguments]
    if len(values) != len(wanted):
        raise PriorError(
            f'"{text}" has {len(values)} numbers; write {kind.text_name}({", ".join(wanted)})'
        )
    return kind(*values)


def _number(argument: object, text: str) -> float:
    match argument:
        case Number():
            return argument.value
        case Unary(operator=sign, operand=Number() as size):
            return size.value * (-1.0 if sign == "-" else 1.0)
    raise PriorError(f'"{text}": a prior takes plain numbers, not {argument}')


PriorLike = Priors | Mapping[str, Prior | str] | Iterable[str] | str | None
"""Priors as `priors` gathers them."""


def priors(
    stated: PriorLike = None,
    *,
    factor: str | None = None,
    parameters: Collection[str] = (),
    default: Priors = DEFAULT,
    **named: Prior | str,
) -> Priors:
    """Gather priors of mu, tau, sigma and more; what is not given keeps its default.

    Parameters
    ----------
    stated : Priors, mapping, str or iterable of str, optional
        Priors as gathered before, a mapping from parameter to prior, or texts such as
        ``"tau ~ half_cauchy(5)"``. ``Intercept`` is another name of mu.
    factor : str, optional
        Name of the grouping factor of a one-way model, so that ``tau[school]`` is understood.
    parameters : collection of str
        Names of single parameters of a regression, such as ``"floor"`` and
        ``"tau[county, floor]"``. With them ``beta`` (all coefficients but the intercept) and
        ``rho`` (correlations) are understood too.
    default : Priors, optional
        Of what is not given.
    mu, tau, sigma, ... : Prior or str
        Priors by name; a text is a prior such as ``"half_normal(5)"``.

    Returns
    -------
    Priors

    Raises
    ------
    PriorError
        If a parameter or prior is not known, given twice, or does not apply.

    Examples
    --------
    >>> print(priors(tau="half_cauchy(5)").tau)
    half_cauchy(5)
    >>> print(priors(["mu ~ normal(0, 10)", "tau ~ exponential(1)"]).mu)
    normal(0, 10)
    """
    base = stated if isinstance(stated, Priors) else default
    by_name: dict[str, Prior] = {}
    single = dict(base.named)
    pairs = [] if stated is None or isinstance(stated, Priors) else _pairs(stated)
    for name, prior in [*pairs, *named.items()]:
        parameter = _parameter(name, factor, parameters)
        if parameter in by_name:
            raise PriorError(f"{parameter} has two priors; give one")
        if not isinstance(prior, Prior | str):
            raise PriorError(f"{name} ~ {prior!r}: a prior is an object or a text like flat()")
        by_name[parameter] = parse_prior(prior) if isinstance(prior, str) else prior
    broad = {k: v for k, v in by_name.items() if k in (*PARAMETERS, *OF_REGRESSIONS, OF_NOISE)}
    single |= {k: v for k, v in by_name.items() if k not in broad}
    return replace(base, **broad, named=tuple(single.items()))  # type: ignore[arg-type]


def _pairs(stated: Mapping[str, Any] | Iterable[str] | str) -> list[tuple[str, Any]]:
    if isinstance(stated, Mapping):
        return list(stated.items())
    if not isinstance(stated, Iterable):
        raise PriorError(
            f"prior={stated!r}: give pp.priors(tau=...), a mapping from parameter to prior, or "
            "texts such as 'tau ~ half_normal(5)'"
        )
    pairs = []
    for text in [stated] if isinstance(stated, str) else stated:
        left, tilde, right = str(text).partition("~")
        if not tilde:
            raise PriorError(
                f'the prior "{text}" has no "~"; write for example tau ~ half_cauchy(5)'
            )
        pairs.append((left.strip(), right.strip()))
    return pairs


def _parameter(name: str, factor: str | None, parameters: Collection[str]) -> str:
    for spread in ("tau", OF_NOISE):
        if factor is not None and name == f"{spread}[{factor}]":
            return spread
    if parameters:
        name = re.sub(r"\s*,\s*", ", ", name)
    if name == OF_NOISE:
        return name
    known = (*PARAMETERS, *OF_REGRESSIONS, *parameters) if parameters else PARAMETERS
    if name not in known:
        hint = did_you_mean(name, known)
        listed = ", ".join(dict.fromkeys(known[1:])) if parameters else "tau and sigma"
        raise PriorError(
            f'there is no parameter "{name}" to give a prior; {hint}'
            f"the parameters are mu (or Intercept), {listed.removeprefix('Intercept, ')}"
        )
    return "mu" if name == "Intercept" else name
