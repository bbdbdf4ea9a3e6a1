"""Remote identity verification: a selfie video and a photo in, one calibrated, explained decision out.

>>> import idverify
>>> verifier = idverify.Verifier(policy="ial2")           # doctest: +SKIP
>>> decision = verifier.check("selfie.mp4", "photo.jpg")  # doctest: +SKIP
>>> decision.outcome, decision.guidance                   # doctest: +SKIP

Names load when they are first used, so that importing the package costs little and has no side effect.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from idverify._lazy import lazy_names
from idverify._version import __version__

if TYPE_CHECKING:
    from idverify.api import assess_liveness, check, compare
    from idverify.errors import IdverifyError
    from idverify.media import load_photo, open_recording
    from idverify.reasons import Reason
    from idverify.verification import Decision, DecisionPolicy, Outcome, Verifier, load_policy

__all__ = [
    "Decision",
    "DecisionPolicy",
    "IdverifyError",
    "Outcome",
    "Reason",
    "Verifier",
    "__version__",
    "assess_liveness",
    "check",
    "compare",
    "load_photo",
    "load_policy",
    "open_recording",
]

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "Decision": "verification",
        "DecisionPolicy": "verification",
        "IdverifyError": "errors",
        "Outcome": "verification",
        "Reason": "reasons",
        "Verifier": "verification",
        "assess_liveness": "api",
        "check": "api",
        "compare": "api",
        "load_photo": "media",
        "load_policy": "verification",
        "open_recording": "media",
    },
)
