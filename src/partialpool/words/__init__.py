"""What is said of a fit, by subject and for every model.

| file | what is in it |
|---|---|
| `formatting.py` | numbers, labels and tables as text |
| `summary.py` | the lines of a printed fit |
| `accuracy.py` | the error told, and when no number is shown |
| `notices.py` | what the user should know |
| `advice.py` | does the grouping matter |
| `comparison.py` | the poolings of a one-way model side by side |
| `coefficients.py` | coefficients of a regression by several methods |
| `variance.py` | variance explained per level |
"""
