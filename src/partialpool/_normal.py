"""Constants of the normal distribution, and of the 95% intervals that accuracy is judged by."""

from __future__ import annotations

import math

import numpy as np

LOG_2PI = math.log(2.0 * math.pi)
"""A standard normal log density is -(z^2 + LOG_2PI) / 2."""
INVERSE_ROOT_2PI = 1.0 / math.sqrt(2.0 * math.pi)
"""The standard normal density at zero."""
NORMAL_WIDTH = 3.919927969080108
"""Width of the central 95% of a normal distribution, in standard deviations."""
INTERVAL_ENDS = np.array([0.025, 0.975])
"""Probabilities at the ends of a 95% interval: errors are estimated of these, whatever is
printed."""
ENDS_AND_MEDIAN = np.array([0.025, 0.5, 0.975])
"""The same, and the median between them."""
T_OF_EIGHT = 2.364624
"""97.5% quantile of Student's t with 7 degrees of freedom: an error that is estimated from eight
independent randomisations is this many of their standard errors."""
