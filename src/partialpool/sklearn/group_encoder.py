"""The encoder, with scikit-learn's conventions of names and attributes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal, Self

import numpy as np
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
from sklearn.model_selection import KFold, StratifiedKFold, check_cv
from sklearn.utils import column_or_1d
from sklearn.utils.multiclass import type_of_target
from sklearn.utils.validation import (
    assert_all_finite,
    check_consistent_length,
    check_is_fitted,
    validate_data,
)

from partialpool._typing import AnyArray, Floats, Ints
from partialpool.errors import ArgumentError, DataError, did_you_mean
from partialpool.formula import CountFamily
from partialpool.models import PriorLike
from partialpool.sklearn.columns import (
    Coded,
    as_matrix,
    coded_columns,
    places_in,
    with_missing,
)
from partialpool.sklearn.encoding import Encoding, Model, Rows

FAMILIES: dict[str, CountFamily | None] = {
    "continuous": None,
    "binary": "binomial",
    "count": "poisson",
}
CHOICES = {
    "target_type": ("auto", *FAMILIES),
    "missing": ("category", "population"),
    "method": ("posterior", "ml"),
}


class GroupEncoder(OneToOneFeatureMixin, TransformerMixin, BaseEstimator):
    """Encode each category by the posterior mean of its target: partial pooling, fitted.

        y_ij ~ N(theta_j, sigma^2),   theta_j ~ N(mu, tau^2)

    and of binary targets log-odds, of counts log rates in place of theta_j. How far a category is
    shrunk toward the others follows from its rows and from what the data say of tau: there is
    nothing to tune. ``fit_transform`` is cross-fitted, so that no row sees its own target.

    Parameters
    ----------
    target_type : {"auto", "continuous", "binary", "count"}
        What the target is. "auto" takes two values (of text, truth or whole numbers) as binary
        and all other numbers as continuous; counts have to be said: prices are whole numbers too.
    additive : bool
        One model ``y ~ 1 + (1 | a) + (1 | b) + ...`` of all columns, in which each column's
        categories are adjusted for the others, and not a model for each column by itself.
    missing : {"category", "population"}
        Whether a missing value is one more category, or is encoded as a category that is not
        known; such rows are then left out of its column's model (additive: of the model).
    with_sd, with_shrinkage : bool
        Add columns ``<name>_sd``, the posterior sd, and ``<name>_shrinkage``, the weight on the
        pooled value (0 no pooling, 1 complete pooling).
    prior : str or sequence of str, optional
        As of `partialpool.fit`. If not given, flat on mu and tau; where that leaves no proper
        posterior (of two categories, say) ``"tau ~ uniform_shrinkage()"``.
    method : {"posterior", "ml"}
        Of the additive model: its full posterior, or the faster estimates of maximum likelihood
        (restricted for continuous targets), for some thousand categories and more.
    cv : int, splitter or iterable
        Folds of ``fit_transform``; an int means shuffled folds, of binary targets stratified.
    random_state : int, RandomState or None
        Of the shuffling, where `cv` is an int.

    Attributes
    ----------
    categories_ : list of ndarray
        Of each column the categories in their natural order, then None if missing values are one.
    encodings_, sds_, shrinkages_ : list of ndarray, shape (J,)
        What each category is worth: posterior mean (units of y; probability; rate), posterior
        sd, and weight on the pooled value.
    unknown_ : ndarray, shape (n_features, 3)
        The same three for a category that is not in the data: a new one of the population.
    target_type_ : str
        "continuous", "binary" or "count".
    classes_ : ndarray or None
        Of a binary target its two values; the second is the event.
    n_features_in_, feature_names_in_
        As everywhere in scikit-learn.

    Notes
    -----
    A column of one category, a target that does not vary, and a column in which no category has
    two rows say nothing of tau: every category is then the mean of all. Where rows of one
    category never differ (and categories do) each is its own mean.

    ``sample_weight`` counts rows: a row of weight 2 is two rows. Source of the model: Gelman et
    al. (2013), Bayesian Data Analysis, section 5.4; of cross-fitting: Micci-Barreca (2001),
    doi:10.1145/507533.507538, and scikit-learn's TargetEncoder.

    Examples
    --------
    >>> import numpy as np
    >>> from partialpool.sklearn import GroupEncoder
    >>> X = np.repeat(["dog", "cat", "snake"], [20, 30, 38])[:, None]
    >>> y = np.concatenate([np.linspace(80, 90, 20), np.linspace(18, 23, 30),
    ...                     np.linspace(20, 60, 38)])
    >>> encoder = GroupEncoder(with_sd=True).fit(X, y)
    >>> encoder.categories_[0]
    array(['cat', 'dog', 'snake'], dtype='<U5')
    >>> encoder.transform([["cat"], ["emu"]]).round(1)
    array([[20.5,  1.5],
           [48.5, 99.1]])
    """

    def __init__(
        self,
        *,
        target_type: Literal["auto", "continuous", "binary", "count"] = "auto",
        additive: bool = False,
        missing: Literal["category", "population"] = "category",
        with_sd: bool = False,
        with_shrinkage: bool = False,
        prior: PriorLike = None,
        method: Literal["posterior", "ml"] = "posterior",
        cv: Any = 10,
        random_state: Any = 0,
    ) -> None:
        self.target_type = target_type
        self.additive = additive
        self.missing = missing
        self.with_sd = with_sd
        self.with_shrinkage = with_shrinkage
        self.prior = prior
        self.method = method
        self.cv = cv
        self.random_state = random_state

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Learn what every category is worth, from all rows.

        Encode training rows with `fit_transform`, which does not show a row its own target.

        Parameters
        ----------
        X : frame or array_like, shape (N, n_features)
            Categories: text, numbers, truth values or dates; missing ones as ``missing=`` says.
        y : array_like, shape (N,)
            The target.
        sample_weight : array_like, shape (N,), optional
            How often each row counts; not negative.

        Raises
        ------
        ArgumentError
            If an option is not one of those there are.
        DataError
            If the target or the weights are not as the options say.
        """
        self._fitted_rows(X, y, sample_weight)
        return self

    def fit_transform(self, X: Any, y: Any, sample_weight: Any = None) -> Any:
        """Fit, and encode each row by what the rows of the other folds say of its category.

        Arguments and errors as of `fit`; not the same as ``fit(X, y).transform(X)``, which shows
        every row its own target.

        Returns
        -------
        ndarray, shape (N, n_features_out)
            Or the frame that ``set_output`` asks for.
        """
        rows = self._fitted_rows(X, y, sample_weight)
        encoded = np.full((len(rows.y), self._width * len(rows.sizes)), np.nan)
        model, seen = self._model, np.zeros(len(rows.y), dtype=np.intp)
        for train, test in self._folds(rows):
            seen[test] += 1
            encodings = model.encodings(rows.part(train))
            encoded[test] = self._values(encodings, rows.part(test).codes)
        if (seen != 1).any():
            raise ArgumentError(
                f"cv={self.cv!r} puts row {int(np.flatnonzero(seen != 1)[0]) + 1} into "
                f"{seen[seen != 1][0]} test folds; cross-fitting needs each row in exactly one, "
                "as KFold has it"
            )
        return encoded

    def transform(self, X: Any) -> Any:
        """Encode new rows; categories that are not known as those of a new one.

        Parameters
        ----------
        X : frame or array_like, shape (N, n_features)

        Returns
        -------
        ndarray, shape (N, n_features_out)
            Or the frame that ``set_output`` asks for.
        """
        check_is_fitted(self)
        X = as_matrix(X)
        validate_data(self, X, reset=False, skip_check_array=True)
        pairs = zip(self.categories_, coded_columns(X), strict=True)
        return self._values(self._encodings, [places_in(known, column) for known, column in pairs])

    def get_feature_names_out(self, input_features: Any = None) -> AnyArray:
        """Names of the columns of the output: those of the input, and with ``_sd`` and so on.

        Parameters
        ----------
        input_features : array_like of str, optional
            Names of the columns of the input, if these had none; else the same.
        """
        names = super().get_feature_names_out(input_features)
        endings = ["", *(["_sd"] * self.with_sd), *(["_shrinkage"] * self.with_shrinkage)]
        return np.array([name + ending for name in names for ending in endings], dtype=object)

    def __sklearn_tags__(self) -> Any:
        """Say that X holds categories, also missing ones, and that y is needed."""
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        tags.input_tags.categorical = True
        tags.input_tags.allow_nan = True
        tags.transformer_tags.preserves_dtype = []
        return tags

    # helpers ------------------------------------------------------------------------------------

    def _fitted_rows(self, X: Any, y: Any, sample_weight: Any) -> Rows:
        """Fit; return the rows as they were read."""
        self._check_options()
        if y is None:
            raise DataError(
                "GroupEncoder requires y to be passed, but the target y is None: a category is "
                "encoded by its target"
            )
        X = as_matrix(X)
        validate_data(self, X, skip_check_array=True)
        target = self._target(y)
        check_consistent_length(X, target)
        columns = coded_columns(X)
        if self.missing == "category":
            columns = [with_missing(column) for column in columns]
        rows = _rows(columns, target, sample_weight)
        self.categories_ = [column.labels for column in columns]
        self._encodings = self._model.encodings(rows)
        self.encodings_ = [e.estimate[:-1] for e in self._encodings]
        self.sds_ = [e.sd[:-1] for e in self._encodings]
        self.shrinkages_ = [e.shrinkage[:-1] for e in self._encodings]
        self.unknown_ = np.array([[e.estimate[-1], e.sd[-1], 1.0] for e in self._encodings])
        return rows

    def _check_options(self) -> None:
        for name, allowed in CHOICES.items():
            value = getattr(self, name)
            if value not in allowed:
                listed = ", ".join(f'"{each}"' for each in allowed)
                hint = did_you_mean(str(value), allowed)
                raise ArgumentError(f"{name}={value!r}: {hint}it is one of {listed}")

    def _target(self, y: Any) -> Floats:
        """The target as numbers; sets `target_type_` and `classes_`."""
        y = column_or_1d(y, warn=True)
        assert_all_finite(y, input_name="y")
        kind = self.target_type if self.target_type != "auto" else _type_of(y)
        self.target_type_, self.classes_ = kind, None
        if kind == "binary":
            self.classes_, codes = np.unique(y, return_inverse=True)
            if len(self.classes_) > 2:
                raise DataError(
                    f'target_type="binary": y has {len(self.classes_)} values, and a binary '
                    'target has two; leave target_type out, or say "continuous" or "count"'
                )
            if len(self.classes_) == 1 and y.dtype.kind in "biuf":
                return np.asarray(y != 0, dtype=np.float64)
            return codes.astype(np.float64)
        try:
            numbers = np.asarray(y, dtype=np.float64)
        except (TypeError, ValueError) as error:
            raise DataError(
                f"y must hold numbers, or two words; it holds {y.dtype.name} values ({error})"
            ) from error
        if kind == "count" and ((numbers < 0) | (numbers != np.rint(numbers))).any():
            raise DataError(
                'target_type="count": y must hold whole numbers, 0 or more; it holds '
                f"{numbers[(numbers < 0) | (numbers != np.rint(numbers))][0]:g}"
            )
        return numbers

    @property
    def _model(self) -> Model:
        return Model(FAMILIES[self.target_type_], self.prior, self.additive, self.method)

    @property
    def _width(self) -> int:
        """Columns of the output a column of the input."""
        return 1 + bool(self.with_sd) + bool(self.with_shrinkage)

    def _values(self, encodings: list[Encoding], places: list[Ints]) -> Floats:
        """The output of rows, from the places of their categories."""
        columns = []
        for e, place in zip(encodings, places, strict=True):
            columns.append(e.estimate[place])
            columns += [e.sd[place]] * self.with_sd + [e.shrinkage[place]] * self.with_shrinkage
        return np.column_stack(columns)

    def _folds(self, rows: Rows) -> Iterator[tuple[Ints, Ints]]:
        """Rows to learn from, and rows to encode."""
        cv, binary = self.cv, self.target_type_ == "binary"
        if isinstance(cv, int | np.integer):
            folds = min(int(cv), len(rows.y))
            if folds < 2:
                what = f"cv={cv}" if len(rows.y) > 1 else f"n_samples = {len(rows.y)}"
                raise ArgumentError(
                    f"{what}: cross-fitting needs at least two folds of one row each"
                )
            enough = binary and np.bincount(rows.y.astype(np.intp)).min() >= folds
            cv = (StratifiedKFold if enough else KFold)(
                folds, shuffle=True, random_state=self.random_state
            )
        yield from check_cv(cv, rows.y, classifier=binary).split(rows.y, rows.y)


def _type_of(y: AnyArray) -> str:
    """Binary or continuous.

    Raises
    ------
    DataError
        If it is neither.
    """
    kind = type_of_target(y, input_name="y")
    if kind == "binary" and (y.dtype.kind not in "biuf" or len(np.unique(y)) == 2):
        return "binary"
    if kind in ("binary", "continuous", "multiclass") and y.dtype.kind in "biuf":
        return "continuous"
    if kind == "unknown":
        raise DataError(
            f"Unknown label type: y holds {y.dtype.name} values; give numbers, or two words"
        )
    raise DataError(
        f"y is {kind} with {len(np.unique(y))} values that are no numbers; give numbers, or two "
        "words; of several classes encode one against the others at a time"
    )


def _rows(columns: list[Coded], y: Floats, sample_weight: Any) -> Rows:
    """Rows with how often they count."""
    if sample_weight is None:
        times = np.ones(len(y))
    else:
        times = np.asarray(sample_weight, dtype=np.float64)
        if times.shape != y.shape:
            raise DataError(
                f"sample_weight has shape {times.shape}; it has one value a row: {y.shape}"
            )
        assert_all_finite(times, input_name="sample_weight")
        if (times < 0).any():
            raise DataError(f"sample_weight holds {times.min():g}; weights count rows: 0 or more")
        if not times.any():
            raise DataError("every sample_weight is zero, so that no row counts")
    most = max(len(np.unique(c.codes[times > 0])) for c in columns)
    if times.sum() < min(most, (times > 0).sum()):
        raise DataError(
            f"sample_weight sums to {times.sum():g}, less than one row for each of {most} "
            "categories; weights count rows, so that ones mean rows as they are: do not scale "
            "them to a sum of 1"
        )
    return Rows([c.codes for c in columns], [len(c.labels) for c in columns], y, times)
