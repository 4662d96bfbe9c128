"""Slow, plain references that share no line with partialpool's engines (NumPy and SciPy only).

They exist to judge the engines: every posterior is written from the model's definition, with
dense matrices, and integrated with far more points than a user would wait for.
"""
