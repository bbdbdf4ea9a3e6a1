"""Evaluation: a file of trials in, scores and error rates out.

Public items: :func:`evaluate`, :func:`read_scores`, :class:`ScoreTable`.
"""

from idverify.evaluation.runner import evaluate
from idverify.evaluation.scores import ScoreTable, read_scores

__all__ = ["ScoreTable", "evaluate", "read_scores"]
