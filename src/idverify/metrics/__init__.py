"""Metrics: scores with their truth in, error rates, calibration and intervals out; pure NumPy, ties exact.

In: arrays of scores that grow towards *mated* or *bona fide*; ``score >= threshold`` is positive. Out: rates that keep
their counts. Comparison errors are in ``error_rates``, liveness errors in ``pad_rates``, calibration in ``scoring`` and
``isotonic``, intervals in ``intervals`` and ``bootstrap``, groups in ``differentials``, many scores in ``streaming``.
Read :mod:`~idverify.metrics.inputs` first, then ``error_rates``. ``literature`` only serves comparison with papers.
"""

from idverify.metrics import literature
from idverify.metrics.bootstrap import bootstrap_by_subject, bootstrap_two_way
from idverify.metrics.differentials import Differential, Verdict, differentials
from idverify.metrics.error_rates import (
    DETCurve,
    OperatingPoint,
    det_curve,
    far,
    fmr,
    fnmr,
    fnmr_at_fmr,
    frr,
    fta,
    fte,
    gfar,
    gfrr,
    threshold_at_fmr,
)
from idverify.metrics.intervals import (
    Interval,
    Proportion,
    clopper_pearson,
    rule_of_three,
    trials_for_target,
    wilson,
)
from idverify.metrics.isotonic import IsotonicFit, pav, pav_counts
from idverify.metrics.pad_rates import (
    BPCER_TARGETS,
    PADOperatingPoint,
    apcer,
    apnrr,
    bpcer,
    bpcer_at_apcer,
    bpnrr,
    iapar,
    riapar,
    threshold_at_apcer,
    worst,
)
from idverify.metrics.scoring import (
    Reliability,
    brier,
    cllr,
    ece,
    min_cllr,
    probability_from_llr,
    reliability,
)
from idverify.metrics.streaming import ScoreStream, stream_fnmr_at_fmr

__all__ = [
    "BPCER_TARGETS",
    "DETCurve",
    "Differential",
    "Interval",
    "IsotonicFit",
    "OperatingPoint",
    "PADOperatingPoint",
    "Proportion",
    "Reliability",
    "ScoreStream",
    "Verdict",
    "apcer",
    "apnrr",
    "bootstrap_by_subject",
    "bootstrap_two_way",
    "bpcer",
    "bpcer_at_apcer",
    "bpnrr",
    "brier",
    "cllr",
    "clopper_pearson",
    "det_curve",
    "differentials",
    "ece",
    "far",
    "fmr",
    "fnmr",
    "fnmr_at_fmr",
    "frr",
    "fta",
    "fte",
    "gfar",
    "gfrr",
    "iapar",
    "literature",
    "min_cllr",
    "pav",
    "pav_counts",
    "probability_from_llr",
    "reliability",
    "riapar",
    "rule_of_three",
    "stream_fnmr_at_fmr",
    "threshold_at_apcer",
    "threshold_at_fmr",
    "trials_for_target",
    "wilson",
    "worst",
]
