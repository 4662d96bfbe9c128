"""Linear mixed models in words and tables: what the other rooms say of a one-way posterior.

Importing this room registers its versions of `headline`, `prior_line`, `pooling_line`,
`findings`, `advise`, `recommendation` and `compare`.

| file | what is in it |
|---|---|
| `words.py` | the printed lines |
| `findings.py` | notices |
| `advice.py` | does the grouping matter |
| `generalized.py` | what differs for counts |
| `variance.py` | variance explained per level |
| `comparison.py` | coefficients side by side |
"""

from partialpool.regression import generalized
from partialpool.regression.advice import MixedAdvice
from partialpool.regression.comparison import MixedComparison, compare_coefficients
from partialpool.regression.findings import findings_mixed
from partialpool.regression.variance import VarianceExplained, variance_explained
from partialpool.regression.words import headline_mixed

__all__ = [
    "MixedAdvice",
    "MixedComparison",
    "VarianceExplained",
    "compare_coefficients",
    "findings_mixed",
    "generalized",
    "headline_mixed",
    "variance_explained",
]
