"""Presentation attack detection: one file per mechanism, one protocol."""

from idverify.pad.evidence import AnalysedFrame, PADEvidence, Status, TrackObserver

__all__ = ["AnalysedFrame", "PADEvidence", "Status", "TrackObserver"]
