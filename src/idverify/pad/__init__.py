"""Presentation attack detection: signals of a followed face in, what each liveness mechanism says out.

In: :class:`AnalysedFrame` after :class:`AnalysedFrame`, and the track when the recording has ended. Out: one
:class:`PADEvidence` a mechanism, a natural-log likelihood ratio or the reason why it could not judge. One file a
mechanism, one protocol; it knows nothing of whose face it is.
Read :mod:`~idverify.pad.evidence` first, then ``panel``.
"""

from idverify.pad.evidence import AnalysedFrame, PADEvidence, Status, TrackObserver

__all__ = ["AnalysedFrame", "PADEvidence", "Status", "TrackObserver"]
