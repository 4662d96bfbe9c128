"""Categories as numbers for scikit-learn: a target encoder that shrinks by what the data say.

    >>> import numpy as np
    >>> from partialpool.sklearn import GroupEncoder
    >>> city = np.array(["Ulm", "Ulm", "Bern", "Bern", "Bern", "Graz", "Graz"])[:, None]
    >>> price = np.array([3.1, 2.9, 5.2, 4.8, 5.1, 3.9, 4.3])
    >>> GroupEncoder().fit(city, price).transform([["Bern"], ["Oslo"]]).round(2)
    array([[5.02],
           [4.05]])

Needs the extra ``[sklearn]``; nothing else in the package imports scikit-learn.
"""

from partialpool.errors import MissingExtraError

try:
    import sklearn as _sklearn  # noqa: F401
except ModuleNotFoundError as error:
    raise MissingExtraError.needs("scikit-learn", "partialpool.sklearn", extra="sklearn") from error

from partialpool.sklearn.group_encoder import GroupEncoder

__all__ = ["GroupEncoder"]
