"""Evaluation: trials or a manifest in; scores, error rates and decisions for many videos out.

In: a file of trials, or of videos to decide, and the system under test. Out: ``scores.csv`` with its report, or parts
of decisions; whatever is killed and started again gives the same bytes. Engines (local, Ray, Dask) only map work.
Read :mod:`~idverify.evaluation.runner` first, then ``batch`` and ``executors``.
"""

from idverify.evaluation.runner import evaluate
from idverify.evaluation.scores import ScoreTable, read_scores

__all__ = ["ScoreTable", "evaluate", "read_scores"]
