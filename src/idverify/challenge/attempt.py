"""One recording as the answer to one challenge.

Goal: everything that a verification does with a challenge, in the order of a recording: prepare before the models load,
admit before anything is decoded, observe while frames stream by, judge the subject's track.

Public items: :class:`Attempt`, :class:`Extras`, :data:`NO_EXTRAS`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from idverify.challenge.actions import TURNS
from idverify.challenge.admission import DEFAULT_SLACK_S, Admission, admit, out_of_time
from idverify.challenge.files import load
from idverify.challenge.from_track import LightObserver, Likeness, TurnedFaces, series_from_track
from idverify.challenge.issuing import Challenge
from idverify.challenge.nonces import NonceStore
from idverify.challenge.signing import secret_key
from idverify.challenge.timed import TimedSteps, judge_timed
from idverify.challenge.verification import Binding, ChallengeResult, judge, refused, unseen
from idverify.pad.eye_stillness import EyePictures
from idverify.pad.motion import MotionObserver
from idverify.reasons import Reason

if TYPE_CHECKING:
    from idverify.faces.tracking import FaceTrack
    from idverify.pad.evidence import TrackObserver

__all__ = ["NO_EXTRAS", "Attempt", "Extras"]

# Names of the observers among those of the liveness mechanisms, and of the one of theirs that is read here too.
_LIGHT, _TURNED, _MOTION, _EYES = "challenge_light", "challenge_turned", "motion", "eye_stillness"


@dataclass(frozen=True, slots=True, kw_only=True)
class Extras:
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


NO_EXTRAS = Extras()


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """A challenge and how its answer was recorded.

    Parameters
    ----------
    asked
        What was asked for: a sealed challenge, or steps that this server revealed in time.
    key
        The server's secret; empty for timed steps, which need none.
    mirrored
        Whether the picture is mirrored; see :func:`idverify.challenge.judge`.
    subject
        Whose attempt it is; None does not ask.
    received_at_s
        When the recording arrived, in seconds since 1970; None where that is not known.
    slack_s
        Time beyond the recording's own length that starting it and sending it may take.
    allow_seeded
        Let a predictable challenge count.
    """

    asked: Challenge | TimedSteps
    key: bytes = field(repr=False)
    mirrored: bool
    subject: str | None = field(default=None, repr=False)
    received_at_s: float | None = None
    slack_s: float = DEFAULT_SLACK_S
    allow_seeded: bool = False

    @classmethod
    def at(
        cls,
        challenge: Challenge | TimedSteps | str | Path,
        *,
        key: bytes | str | None,
        mirrored: bool,
        subject: str | None = None,
        received_at_s: float | None = None,
        slack_s: float = DEFAULT_SLACK_S,
        allow_seeded: bool = False,
    ) -> Attempt:
        """Prepare: read the file, find the secret. Nothing is used up.

        Raises
        ------
        ChallengeError
            The file is not a challenge, or there is no secret.
        """
        timed = isinstance(challenge, TimedSteps)
        return cls(
            asked=challenge if isinstance(challenge, (Challenge, TimedSteps)) else load(challenge),
            key=b"" if timed else secret_key(key),
            mirrored=mirrored,
            subject=subject,
            received_at_s=received_at_s,
            slack_s=slack_s,
            allow_seeded=allow_seeded,
        )

    @property
    def challenge(self) -> Challenge:
        """What was asked for; of timed steps with the windows that were planned, not those that came about."""
        return self.asked.challenge if isinstance(self.asked, TimedSteps) else self.asked

    def admit(self, *, now_s: float, nonce_store: NonceStore | None) -> Admission:
        """Say whether the challenge counts; uses up its nonce. What a server revealed itself needs no admission.

        Raises
        ------
        ChallengeError
            The nonce store cannot be used.
        ParameterError
            A time is none, or the arrival lies ahead of the clock.
        """
        if isinstance(self.asked, TimedSteps):
            if self.challenge.seeded and not self.allow_seeded:
                return Admission(refusal=Reason.CHALLENGE_PREDICTABLE)
            return Admission(refusal=None if self.asked.possible else Reason.CHALLENGE_IMPOSSIBLE_TIME)
        return admit(
            self.asked,
            key=self.key,
            now_s=now_s,
            nonce_store=nonce_store,
            subject=self.subject,
            received_at_s=self.received_at_s,
            allow_seeded=self.allow_seeded,
        )

    @property
    def needs(self) -> Extras:
        """What the pass over the recording has to collect; any movement needs the lids, asked for or not."""
        factories: dict[str, Callable[[], TrackObserver]] = {_LIGHT: LightObserver} if self.challenge.light else {}
        if any(step.action in TURNS for step in self.challenge.steps):
            factories[_TURNED] = TurnedFaces
        return Extras(eyes=bool(self.challenge.steps), factories=factories)

    @staticmethod
    def turned_faces(observers: Mapping[str, TrackObserver]) -> TurnedFaces | None:
        """Pictures of the turned face, to be compared with the person's by whoever may; None where there are none."""
        turned = observers.get(_TURNED)
        return turned if isinstance(turned, TurnedFaces) and turned.times_s else None

    def judge(
        self,
        track: FaceTrack,
        observers: Mapping[str, TrackObserver],
        *,
        picture_width_px: int,
        recording_s: float,
        admission: Admission,
        likeness: Likeness | None = None,
    ) -> ChallengeResult:
        """Judge what the subject did.

        Parameters
        ----------
        track
            The subject's.
        observers
            The track's, as :attr:`needs` asked for, and those of the liveness mechanisms.
        picture_width_px
            Of the full, upright picture.
        recording_s
            From the first picture to the last, as decoded.
        admission
            As :meth:`admit` gave it.
        likeness
            Of :meth:`turned_faces` to the person's; without it no turn can be judged.
        """
        if (late := self._out_of_time(admission, recording_s)) is not None:
            return self.refused(late, admission)
        light = observers.get(_LIGHT)
        motion, eyes = observers.get(_MOTION), observers.get(_EYES)
        series = series_from_track(
            track,
            picture_width_px=picture_width_px,
            light=light if isinstance(light, LightObserver) else None,
            motion=motion.signals() if isinstance(motion, MotionObserver) else None,
            eyes=eyes.signals() if isinstance(eyes, EyePictures) else None,
            likeness=likeness,
        )
        if isinstance(self.asked, TimedSteps):
            return judge_timed(self.asked, series, mirrored=self.mirrored, recording_s=recording_s)
        return judge(self.asked, series, mirrored=self.mirrored, admission=admission, recording_s=recording_s)

    def unseen(self, reason: Reason, *, recording_s: float, admission: Admission) -> ChallengeResult:
        """The result where nobody could be followed."""
        if (late := self._out_of_time(admission, recording_s)) is not None:
            return self.refused(late, admission)
        return unseen(self.challenge, reason, mirrored=self.mirrored, admission=admission, binding=self._binding)

    def refused(self, reason: Reason, admission: Admission) -> ChallengeResult:
        """The result where the challenge does not count."""
        return refused(self.challenge, reason, mirrored=self.mirrored, admission=admission, binding=self._binding)

    def _out_of_time(self, admission: Admission, recording_s: float) -> Reason | None:
        return out_of_time(self.challenge, admission, recording_s=recording_s, slack_s=self.slack_s)

    @property
    def _binding(self) -> Binding:
        return "session" if isinstance(self.asked, TimedSteps) else "challenge"
