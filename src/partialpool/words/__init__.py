"""What is said of a fit, by subject and for every model.

| file | what is in it |
|---|---|
| `formatting.py` | numbers, labels and tables as text |
| `summary.py` | the lines of a printed fit |
| `accuracy.py` | the estimated error, and when no number is shown |
| `notices.py` | what the user should know |
| `checks.py` | do data look as the model says: every check, and what to do |
| `misfit.py` | counts that vary more, or are zero more often, than they can |
| `population_shape.py` | what groups come from, and what the data say of it |
| `population.py` | groups that lie apart, and sizes that go with values |
| `crossing.py` | labels that seem to start anew |
| `advice.py` | does the grouping matter |
| `comparison.py` | the poolings of a one-way model side by side |
| `coefficients.py` | coefficients of a regression by several methods |
| `arrange.py`, `standing.py` | which groups are shown, in which order; above or below, in a word |
| `answer.py`, `methods.py` | question and answer of a report; its paragraph for a paper |
| `variance.py` | variance explained per level |
"""
