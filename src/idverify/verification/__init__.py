"""Verification: a recording and a reference photo in, one decision out.

In: media, a policy, a calibration card. Out: a :class:`Decision` with outcome, confidence, reasons and evidence, or a
:class:`Presentation`, what one recording showed, to be judged against any number of references.
Read :mod:`~idverify.verification.verifier` first: it states the numbered steps, and each step names its module.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from idverify._lazy import lazy_names

if TYPE_CHECKING:
    from idverify.verification.decision import Decision, Outcome
    from idverify.verification.inspection import Inspection
    from idverify.verification.model_set import ModelSet
    from idverify.verification.policy import DecisionPolicy, load_policy
    from idverify.verification.presentation import Presentation
    from idverify.verification.shipped import policy_names
    from idverify.verification.verifier import Verifier

__all__ = [
    "Decision",
    "DecisionPolicy",
    "Inspection",
    "ModelSet",
    "Outcome",
    "Presentation",
    "Verifier",
    "load_policy",
    "policy_names",
]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "Decision": "decision",
        "DecisionPolicy": "policy",
        "Inspection": "inspection",
        "ModelSet": "model_set",
        "Outcome": "decision",
        "Presentation": "presentation",
        "Verifier": "verifier",
        "load_policy": "policy",
        "policy_names": "shipped",
    },
)
