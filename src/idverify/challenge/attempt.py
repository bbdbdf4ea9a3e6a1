"""One recording as the answer to one challenge.

Goal: everything that a verification does with a challenge, in the order of a recording: prepare before the models load,
admit before anything is decoded, observe while frames stream by, judge the subject's track.

Public items: :class:`Attempt`, :class:`Needs`, :data:`NOTHING_MORE`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from idverify.challenge.files import load
from idverify.challenge.from_track import LightObserver, series_from_track
from idverify.challenge.issuing import Challenge
from idverify.challenge.nonces import NonceStore
from idverify.challenge.signing import secret_key
from idverify.challenge.verification import ChallengeResult, admit, judge, refused, unseen
from idverify.reasons import Reason

if TYPE_CHECKING:
    from idverify.faces.tracking import FaceTrack
    from idverify.pad.evidence import TrackObserver

__all__ = ["NOTHING_MORE", "Attempt", "Needs"]

# Name of the observer among those of the liveness mechanisms.
_LIGHT = "challenge_light"


@dataclass(frozen=True, slots=True, kw_only=True)
class Needs:
    """What a pass over a recording has to collect beyond what every verification needs.

    Parameters
    ----------
    eyes
        Whether eyes are looked at closely in every analysed frame, at more than the price of following the face.
    factories
        Name -> maker of an observer, one per track.
    """

    eyes: bool = False
    factories: Mapping[str, Callable[[], TrackObserver]] = field(default_factory=dict)


NOTHING_MORE = Needs()


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """A challenge and how its answer was recorded.

    Parameters
    ----------
    challenge
        What was asked for.
    key
        The server's secret.
    mirrored
        Whether the picture is mirrored; see :func:`idverify.challenge.judge`.
    """

    challenge: Challenge
    key: bytes = field(repr=False)
    mirrored: bool

    @classmethod
    def at(cls, challenge: Challenge | str | Path, *, key: bytes | str | None, mirrored: bool) -> Attempt:
        """Prepare: read the file, find the secret. Nothing is used up.

        Raises
        ------
        ChallengeError
            The file is not a challenge, or there is no secret.
        """
        secret = secret_key(key)
        read = challenge if isinstance(challenge, Challenge) else load(challenge)
        return cls(challenge=read, key=secret, mirrored=mirrored)

    def refusal(self, *, now_s: float, nonce_store: NonceStore | None) -> ChallengeResult | None:
        """Why the challenge does not count, or None where it does; uses up its nonce.

        Raises
        ------
        ChallengeError
            The nonce store cannot be used.
        """
        reason = admit(self.challenge, key=self.key, now_s=now_s, nonce_store=nonce_store)
        return None if reason is None else refused(self.challenge, reason, mirrored=self.mirrored)

    @property
    def needs(self) -> Needs:
        """What the pass over the recording has to collect; any movement needs the lids, asked for or not."""
        return Needs(
            eyes=bool(self.challenge.steps), factories={_LIGHT: LightObserver} if self.challenge.light else {}
        )

    def judge(
        self, track: FaceTrack, observers: Mapping[str, TrackObserver], *, picture_width_px: int
    ) -> ChallengeResult:
        """Judge what the subject did.

        Parameters
        ----------
        track
            The subject's.
        observers
            The track's, as :attr:`needs` asked for.
        picture_width_px
            Of the full, upright picture.
        """
        light = observers.get(_LIGHT)
        colours = light if isinstance(light, LightObserver) else None
        series = series_from_track(track, picture_width_px=picture_width_px, light=colours)
        return judge(self.challenge, series, mirrored=self.mirrored)

    def unseen(self, reason: Reason) -> ChallengeResult:
        """The result where nobody could be followed."""
        return unseen(self.challenge, reason, mirrored=self.mirrored)
