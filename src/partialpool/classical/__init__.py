"""The other estimators: small pure functions of arrays of summaries, callable without a Fit.

| function | estimator | source |
|---|---|---|
| `no_pooling` | each group by itself, t interval | Student 1908 |
| `complete_pooling` | one mean for all, groups ignored | |
| `cluster_robust` | the pooled mean with CR1 and CR2 standard errors | Bell & McCaffrey 2002 |
| `fixed_effects` | group means with pooled sigma, and the F test | Fisher 1925 |
| `method_of_moments` | tau from the variance of equal-sized group means | Efron & Morris 1973 |
| `anova` | tau and sigma from mean squares, unequal sizes | Henderson 1953 |
| `maximum_likelihood` | tau and sigma by ML or REML from rows | Patterson & Thompson 1971 |
| `dersimonian_laird`, `hedges`, `hunter_schmidt`, `paule_mandel`, `sidik_jonkman` | tau from
estimates with known standard errors, by moments | see each |
| `ml`, `reml`, `boundary_avoiding` | the same by likelihood | see each |
| `heterogeneity` | Q, I^2, H^2 and the Q-profile interval of tau | Viechtbauer 2007 |
| `pooled_effects` | pooled effects by Wald and by Knapp and Hartung | Hartung & Knapp 2001 |
| `likelihood_ratio` | test of tau = 0 with the right null | Self & Liang 1987 |
| `empirical_bayes` | groups given tau: naive, +mu, Prasad-Rao, Morris intervals | Morris 1983 |
| `robust_empirical_bayes` | intervals that hold whatever the shape of the groups' distribution |
Armstrong, Kolesar & Plagborg-Moller 2022 |
| `james_stein` | toward a point, the mean or a regression; positive part | James & Stein 1961 |

`partialpool.effect_size` makes effects and standard errors of the figures that studies report; its
formulas are in `measures`.

What each leaves out compared with the full posterior is said in its docstring.
"""

from partialpool.classical.empirical_bayes import EmpiricalBayes, empirical_bayes
from partialpool.classical.heterogeneity import (
    Heterogeneity,
    LikelihoodRatio,
    heterogeneity,
    likelihood_ratio,
)
from partialpool.classical.james_stein import JamesStein, james_stein
from partialpool.classical.known_errors import (
    BetweenSpread,
    boundary_avoiding,
    dersimonian_laird,
    hedges,
    hunter_schmidt,
    ml,
    paule_mandel,
    reml,
    sidik_jonkman,
)
from partialpool.classical.moments import MethodOfMoments, method_of_moments
from partialpool.classical.pooled_effects import PooledEffects, pooled_effects
from partialpool.classical.pooling import (
    ClusterRobust,
    Estimates,
    FixedEffects,
    PooledMean,
    cluster_robust,
    complete_pooling,
    fixed_effects,
    no_pooling,
)
from partialpool.classical.robust import RobustEmpiricalBayes, robust_empirical_bayes
from partialpool.classical.rows import Components, anova, maximum_likelihood

__all__ = [
    "BetweenSpread",
    "ClusterRobust",
    "Components",
    "EmpiricalBayes",
    "Estimates",
    "FixedEffects",
    "Heterogeneity",
    "JamesStein",
    "LikelihoodRatio",
    "MethodOfMoments",
    "PooledEffects",
    "PooledMean",
    "RobustEmpiricalBayes",
    "anova",
    "boundary_avoiding",
    "cluster_robust",
    "complete_pooling",
    "dersimonian_laird",
    "empirical_bayes",
    "fixed_effects",
    "hedges",
    "heterogeneity",
    "hunter_schmidt",
    "james_stein",
    "likelihood_ratio",
    "maximum_likelihood",
    "method_of_moments",
    "ml",
    "no_pooling",
    "paule_mandel",
    "pooled_effects",
    "reml",
    "robust_empirical_bayes",
    "sidik_jonkman",
]
