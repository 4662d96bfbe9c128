"""Words of R, lme4, brms, bambi and patsy: read where the meaning is ours, else our way is said.

One table, `WORDS`: a word, and what becomes of a call of it, an expression of ours or a sentence.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date

from partialpool.formula.functions import FUNCTIONS
from partialpool.formula.tree import Binary, Call, Derived, Expression, Name, Number, Text

Arguments = Sequence[Expression]
Keywords = Mapping[str, Expression]
Reading = Callable[[Arguments, Keywords, int], "Expression | str"]
"""What becomes of the arguments of a word at a place: an expression, or what is wrong."""

MAX_DEGREE = 20
"""Orthogonal polynomials of higher degrees lose the digits of equally spaced values."""
TRUE, FALSE = ("TRUE", "True", "T"), ("FALSE", "False", "F")
MODULES = ("np.", "numpy.", "math.", "base.", "stats.")
"""Prefixes that say where a function is from."""
INDEPENDENT = {"us": False, "diag": True}
"""Structures of glmmTMB around a group term, ``us(1 + x | g)``: whether effects are independent."""
PROPORTIONS = ("p", "prop", "proportion", "cbind")
"""Words of bambi and R for events among trials, on the left side."""

SMOOTH = (
    "{word}() stands for a smooth curve, which is not fitted here; write poly(x, 3), or a function "
    "such as log(x)"
)
STRUCTURE = (
    "{word}() stands for effects correlated by their distance, which are not fitted here; write "
    "(1 + x | group), or (1 + x || group) for independent ones"
)
COLUMN = "make a column of it first"
COMPUTED = (
    "as.integer", "round", "floor", "ceiling", "pmin", "pmax", "sin", "cos", "tan", "tanh", "expm1",
    "plogis", "qlogis", "logit", "year", "month", "as.Date", "rank", "cumsum", "diff",
)  # fmt: skip
"""Functions of R and NumPy that tables do more clearly."""


def read_word(
    word: str, arguments: Arguments, keywords: Keywords, at: int
) -> Expression | str | None:
    """Read a call of a word that is not ours; None if the word is not known."""
    bare = without_module(word)
    if bare in FUNCTIONS and bare != word and not keywords:
        return Call(bare, tuple(arguments), at)
    reading = WORDS.get(bare)
    return reading(arguments, keywords, at) if callable(reading) else None


def knows_word(word: str) -> bool:
    """Whether a word has a meaning here, with the right arguments."""
    bare = without_module(word)
    return bare in FUNCTIONS or bare in WORDS


def refused_word(word: str) -> str | None:
    """What to say of a word of which nothing here has the meaning."""
    reading = WORDS.get(without_module(word))
    return reading.format(word=word) if isinstance(reading, str) else None


def without_module(word: str) -> str:
    """``log`` for ``np.log``."""
    return next((word.removeprefix(m) for m in MODULES if word.startswith(m)), word)


def is_false(node: Expression | None) -> bool:
    """Whether an argument says no, in R's words or Python's."""
    return isinstance(node, Name) and node.name in FALSE


def is_true(node: Expression | None) -> bool:
    """Whether an argument says yes."""
    return isinstance(node, Name) and node.name in TRUE


# categories -------------------------------------------------------------------------------------


def _factor(arguments: Arguments, keywords: Keywords, at: int) -> Expression | str:
    levels = keywords.get("levels")
    known = {"levels", "labels", "ordered"}
    if len(arguments) != 1 or set(keywords) - known or "labels" in keywords:
        return 'factor(x) is read as C(x); write C(x, "first", "second", ...) to order its levels'
    more = levels.arguments if isinstance(levels, Call) and levels.function == "c" else ()
    return Call("C", (arguments[0], *more), at)


def _categories(arguments: Arguments, keywords: Keywords, at: int) -> Expression | str:
    """C() with a contrast of R or patsy, or with ref=."""
    contrast = arguments[1] if len(arguments) == 2 else keywords.get("contr")
    name = getattr(contrast, "function", getattr(contrast, "name", ""))
    reference = keywords.get("ref", keywords.get("reference"))
    if name == "contr.treatment" and not isinstance(contrast, Call) and not keywords:
        return Call("C", (arguments[0],), at)
    if name in ("Treatment", "ref") and not keywords and len(arguments) == 2:
        inside = contrast.arguments if isinstance(contrast, Call) else ()
        return _with_reference(arguments[0], inside[0] if inside else None, at)
    if name:
        return (
            f"contrasts by {name} are not made here: coefficients are differences from one level, "
            'which C(x, ref="level") chooses'
        )
    if reference is not None and len(arguments) == 1 and len(keywords) == 1:
        return _with_reference(arguments[0], reference, at)
    return 'C() is written C(x), C(x, "first", "second", ...) or C(x, ref="level")'


def _with_reference(column: Expression, reference: Expression | None, at: int) -> Expression | str:
    if reference is None:
        return Call("C", (column,), at)
    if not isinstance(reference, Text | Number):
        return 'the reference level is written in quotes or as a number: C(x, ref="level")'
    return Call("C", (column, Call("ref", (reference,), at)), at)


def _relevel(arguments: Arguments, keywords: Keywords, at: int) -> Expression | str:
    reference = keywords.get("ref", arguments[1] if len(arguments) == 2 else None)
    if not arguments or not isinstance(reference, Text):
        return 'relevel(x, ref = "level") is written C(x, ref="level")'
    column = arguments[0]
    if isinstance(column, Call) and column.function == "C" and len(column.arguments) == 1:
        column = column.arguments[0]
    return _with_reference(column, reference, at)


def _treatment(arguments: Arguments, keywords: Keywords, at: int) -> Expression | str:
    reference = keywords.get("reference")
    treated = (*arguments, *(() if reference is None else (reference,)))
    return Call("Treatment", treated, at)


# numbers ------------------------------------------------------------------------------------------


def _scale(arguments: Arguments, keywords: Keywords, at: int) -> Expression | str:
    centers, scales = keywords.get("center"), keywords.get("scale")
    plain = len(arguments) == 1 and not set(keywords) - {"center", "scale"}
    if not plain or not (centers is None or is_true(centers)):
        return "scale(x) takes the mean off and divides by the sd; for others write I((x - a) / b)"
    if scales is None or is_true(scales):
        return Call("scale", (arguments[0],), at)
    if is_false(scales):
        return Call("center", (arguments[0],), at)
    return f"scale(x) divides by the sd; for another unit write I(x / {scales})"


def _poly(arguments: Arguments, keywords: Keywords, at: int) -> Expression | str:
    degree = keywords.get("degree", arguments[1] if len(arguments) == 2 else None)
    wrong = set(keywords) - {"degree", "raw", "simple"}
    one = len(arguments) == (1 if "degree" in keywords else 2)
    if not one or not isinstance(degree, Number) or wrong:
        return "poly() is written poly(x, degree)"
    if degree.value != int(degree.value) or not 1 <= degree.value <= MAX_DEGREE:
        return f"poly() is written poly(x, degree) with a degree from 1 to {MAX_DEGREE}"
    if not is_true(keywords.get("raw")):
        return Call("poly", (arguments[0], degree), at)
    total: Expression = arguments[0]
    for power in range(2, int(degree.value) + 1):
        term = Binary("^", arguments[0], Number(float(power), at), at)
        total = Binary("+", total, Call("I", (term,), at), at)
    return total


def _named(arguments: Arguments, keywords: Keywords, at: int) -> Expression | str:
    if len(arguments) == 1 and isinstance(arguments[0], Text) and not keywords:
        return Name(arguments[0].value, at)
    return 'Q() is written Q("column name"), or the name between backquotes'


DATE_ORDERS = ("ymd", "dmy", "mdy")


def _counted_days(arguments: Arguments, keywords: Keywords, at: int) -> Expression | str:
    """``days(date)``, whose origin the data give, or ``days(date, "2024-01-31")``.

    The last argument may say the order in which texts write dates: ``days(date, "dmy")``.
    """
    column, *others = (*arguments, *keywords.values()) or (None,)
    texts = [o.value for o in others if isinstance(o, Text)]
    order = texts.pop() if texts and texts[-1] in DATE_ORDERS else None
    fits = set(keywords) <= {"origin", "order"} and len(texts) + (order is not None) == len(others)
    if isinstance(column, Name) and not isinstance(column, Derived) and fits:
        if not texts:
            return Call("days", (column,) if order is None else (column, Text(order)), at)
        if len(texts) == 1 and _is_day(texts[0]):
            return days_since(column, texts[0], order or DATE_ORDERS[0], at)
    return (
        'days() is written days(column), or days(column, "2024-01-31") to count from that day; '
        'of dates such as 31.12.2024 or 12/31/2024 days(column, "dmy") or days(column, "mdy")'
    )


def days_since(column: Name, origin: str, order: str, at: int) -> Derived:
    """A column of days since an origin, computed from one of dates, as texts in an order."""
    others = (Text(origin),) if order == DATE_ORDERS[0] else (Text(origin), Text(order))
    call = Call("days", (column, *others), at)
    return Derived(str(call), at, call)


def _is_day(text: str) -> bool:
    try:
        return len(text) == 10 and bool(date.fromisoformat(text))
    except ValueError:
        return False


def _one(function: str) -> Reading:
    """A word that is another name of a function of ours."""

    def read(arguments: Arguments, keywords: Keywords, at: int) -> Expression | str:
        if keywords:
            return f"{function}() takes a column and nothing else here"
        return Call(function, tuple(arguments), at)

    return read


def _interaction(arguments: Arguments, keywords: Keywords, at: int) -> Expression | str:
    if len(arguments) < 2 or keywords:
        return "interaction(a, b) is written a:b"
    return Call("interaction", tuple(arguments), at)  # in a group term; see `expand`


def _grouping(arguments: Arguments, keywords: Keywords, at: int) -> Expression | str:
    """``gr(g)``, or ``gr(g, dist = "student")`` with the population that groups come from."""
    population = keywords.get("dist")
    if len(arguments) != 1 or set(keywords) - {"dist"}:
        return (
            "gr() with more than the groups and their distribution is not fitted here; write "
            '(1 | group), or (1 | gr(group, dist = "student"))'
        )
    if population is not None and not isinstance(population, Text):
        return 'the distribution of groups is written in quotes: gr(group, dist = "student")'
    return Call("gr", (arguments[0], *([population] if population else [])), at)


def _list(arguments: Arguments, keywords: Keywords, at: int) -> Expression | str:
    if keywords:
        return "c() is a list of levels, in quotes or as numbers"
    return Call("c", tuple(arguments), at)


WORDS: dict[str, Reading | str] = {
    **dict.fromkeys(
        ("factor", "as.factor", "as_factor", "as.character", "categorical", "droplevels"), _factor
    ),
    **dict.fromkeys(("ordered", "as.ordered"), _factor),
    "C": _categories,
    "relevel": _relevel,
    "fct_relevel": _relevel,
    "Treatment": _treatment,
    "contr.treatment": "contr.treatment() counts levels by their places; name the level from which "
    'the others are differences: C(x, ref="level")',
    "ref": _treatment,
    "c": _list,
    "scale": _scale,
    "standardize": _one("scale"),
    "poly": _poly,
    "Q": _named,
    "days": _counted_days,
    "identity": _one("I"),
    "as.numeric": _one("I"),
    "log_e": _one("log"),
    "ln": _one("log"),
    "interaction": _interaction,
    "gr": _grouping,
    **dict.fromkeys(
        ("s", "te", "ti", "t2", "ns", "bs", "rcs", "lo", "cr", "cc", "gp", "hsgp", "smooth"), SMOOTH
    ),
    **dict.fromkeys(("cs", "ar1", "ar", "ou", "toep", "mat", "gau", "rr", "homdiag"), STRUCTURE),
    "mo": "mo(x) stands for a monotonic effect, which is not fitted here; write C(x), or x as a "
    "number",
    "mm": "mm() stands for membership in several groups, which is not fitted here; write "
    "(1 | group)",
    "me": "me() stands for a predictor with errors, which is not fitted here; write x",
    "mi": "mi(x) stands for missing values to be imputed; rows without one are left out: write x",
    "log": lambda *_: "log(x) is the natural one; for another base write log2(x) or log10(x)",
    **dict.fromkeys(("pow", "power"), "{word}(x, 2) is written I(x^2)"),
    "paste": "paste(a, b) is written a:b",
    "dummy": "dummy(x) is written C(x)",
    **dict.fromkeys(("re", "random"), "effects of groups are written (1 | group)"),
    "mvbind": "mvbind() joins several outcomes, which are fitted one by one: y ~ ...",
    **dict.fromkeys(
        ("lmer", "glmer", "glmmTMB", "brm", "rma", "lm", "glm", "formula", "as.formula"),
        "the formula stands alone, without {word}(): y ~ x + (1 | group)",
    ),
    **dict.fromkeys(COMPUTED, f"{{word}}() is not computed here: {COLUMN}"),
    "cut": f"cut() makes a column of classes: {COLUMN}, and write C(class)",
    "ifelse": f"ifelse() makes a column of two values: {COLUMN}, or write I(x > 5)",
    "lag": f"lag() needs the order of the rows: {COLUMN}",
    "mean": "mean() of the groups is a column of its own: make it first, and write its name",
}
