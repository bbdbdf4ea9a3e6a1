"""Remote identity verification: a selfie video and a photo in, one calibrated, explained decision out.

>>> import idverify
>>> verifier = idverify.Verifier(policy="ial2")           # doctest: +SKIP
>>> decision = verifier.check("selfie.mp4", "photo.jpg")  # doctest: +SKIP
>>> decision.outcome, decision.guidance                   # doctest: +SKIP

Names load when they are first used, so that importing the package costs little and has no side effect.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from idverify._version import __version__

if TYPE_CHECKING:
    from idverify.decision import Decision, Outcome
    from idverify.doors import assess_liveness, check, compare
    from idverify.errors import IdverifyError
    from idverify.media import load_photo, open_recording
    from idverify.policy import DecisionPolicy, load_policy
    from idverify.reasons import Reason
    from idverify.verifier import Verifier

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

_HOMES = {
    "Decision": "decision",
    "DecisionPolicy": "policy",
    "IdverifyError": "errors",
    "Outcome": "decision",
    "Reason": "reasons",
    "Verifier": "verifier",
    "assess_liveness": "doors",
    "check": "doors",
    "compare": "doors",
    "load_photo": "media",
    "load_policy": "policy",
    "open_recording": "media",
}


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'idverify' has no attribute {name!r}")
    value = getattr(import_module(f"idverify.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
