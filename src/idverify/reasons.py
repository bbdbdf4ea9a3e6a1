"""Reason codes, and the value that says "this could not be judged".

A :class:`Reason` is stable text for machines (``reason.value``); ``reason.sentence`` says what was
found and ``reason.guidance`` is one kind, concrete sentence for the person at the camera. Guidance
never names a score: a person trying to get past the check learns nothing from it.

Public items: :class:`Reason`, :class:`Assessed`, :class:`NotAssessed`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Generic, TypeVar

__all__ = ["Assessed", "NotAssessed", "Reason"]

T = TypeVar("T")


class Reason(str, Enum):
    """Why a decision is what it is. The value is the stable code."""

    sentence: str
    guidance: str | None

    def __new__(cls, code: str, sentence: str, guidance: str | None) -> Reason:
        """Attach both texts to the code."""
        member = str.__new__(cls, code)
        member._value_ = code
        member.sentence = sentence
        member.guidance = guidance
        return member

    # -- the match -------------------------------------------------------------------------------
    MATCH = ("match", "The face matches that in the reference photo.", None)
    NO_MATCH = (
        "no_match",
        "The face does not match that in the reference photo.",
        "Please check that the photo on file shows you, and try again, facing the camera in good light.",
    )
    MATCH_UNCERTAIN = (
        "match_uncertain",
        "The match with the reference photo is not certain enough for this policy.",
        "Please record again facing the camera straight on, in even light, without glasses or a hat if you can.",
    )
    REFERENCE_UNUSABLE = (
        "reference_unusable",
        "No usable face was found in the reference photo.",
        "The photo on file cannot be used: please supply one that shows your whole face, sharp and well lit.",
    )
    REFERENCE_ROTATED = (
        "reference_rotated",
        "The face in the reference photo does not stand upright, and the photo could not be turned with certainty.",
        "Please supply the photo upright, with your head at the top.",
    )
    REFERENCE_COVERED = (
        "reference_covered",
        "Part of the face is covered in the reference photo.",
        "Please supply a photo that shows your whole face, without a mask, a scarf, sunglasses or a hand.",
    )
    REFERENCE_MULTIPLE_FACES = (
        "reference_multiple_faces",
        "The reference photo shows more than one face.",
        "Please supply a photo that shows only you.",
    )
    REFERENCE_REUSED = (
        "reference_reused",
        "The video shows the reference photo itself, not a new recording of the person.",
        "Please record your own face directly with the camera, not a photo of yourself.",
    )

    # -- the presentation ------------------------------------------------------------------------
    LIVE = ("live", "The signs of a live person were found.", None)
    STATIC_PRESENTATION = (
        "static_presentation",
        "All motion in the video is that of a flat, rigid picture.",
        "Please record your own face directly with the camera: look around a little and blink as you normally do.",
    )
    PRESENTATION_ATTACK = (
        "presentation_attack",
        "The video looks like a picture, a screen or a mask shown to the camera.",
        "Please record your own face directly with the camera, with no screen, print or mask in the picture.",
    )
    TAMPERED_RECORDING = (
        "tampered_recording",
        "The recording was altered after it left the camera.",
        "Please record a new video with your phone's camera and send it unedited.",
    )
    LIVENESS_UNCERTAIN = (
        "liveness_uncertain",
        "The video does not show enough to tell a live person from a picture.",
        "Please record again for at least five seconds in good light, turning your head slowly left and right and "
        "blinking as you do.",
    )
    PERSON_CHANGED = (
        "person_changed",
        "The person changes during the video.",
        "Please record again in one take, with only yourself in the picture from start to end.",
    )

    # -- the recording ---------------------------------------------------------------------------
    NO_FACE = (
        "no_face",
        "No face was found.",
        "Please hold the phone at arm's length and keep your whole face in the picture.",
    )
    FACE_LOST = (
        "face_lost",
        "The face was out of sight for part of the video.",
        "Please keep your whole face in the picture from start to end, and move slowly.",
    )
    MULTIPLE_FACES = (
        "multiple_faces",
        "More than one person could be meant.",
        "Please record again somewhere you are alone in the picture.",
    )
    FACE_TOO_FAR = (
        "face_too_far",
        "The face is too small in the picture.",
        "Please bring the camera closer, until your face fills about half of the picture.",
    )
    FACE_TOO_CLOSE = (
        "face_too_close",
        "The face is too close to the camera.",
        "Please hold the camera a little further away.",
    )
    FACE_CROPPED = (
        "face_cropped",
        "Part of the face is outside the picture.",
        "Please keep your whole face, from forehead to chin, inside the picture.",
    )
    MISALIGNED_FACE = (
        "misaligned_face",
        "The face is turned or tilted too far.",
        "Please hold the camera upright and look straight at it for at least two seconds.",
    )
    TOO_DARK = (
        "too_dark",
        "The face is too dark.",
        "Please face a window or a lamp, so that light falls on your face.",
    )
    TOO_BRIGHT = (
        "too_bright",
        "The face is over-exposed.",
        "Please move out of direct sunlight or strong lamp light.",
    )
    BACKLIT = (
        "backlit",
        "The light comes from behind the face.",
        "Please turn around so that the window or lamp is in front of you, not behind you.",
    )
    UNEVEN_LIGHT = (
        "uneven_light",
        "One side of the face is much darker than the other.",
        "Please turn towards the light, so that both sides of your face are lit the same.",
    )
    BLURRY = (
        "blurry",
        "The face is not sharp.",
        "Please wipe the camera lens and hold the phone still.",
    )
    TOO_MUCH_MOVEMENT = (
        "too_much_movement",
        "There is too much movement.",
        "Please hold the phone still and move your head slowly.",
    )
    TOO_LITTLE_MOVEMENT = (
        "too_little_movement",
        "There is too little movement to tell a live person from a picture.",
        "Please turn your head slowly to the left and to the right while recording.",
    )
    EYES_CLOSED = (
        "eyes_closed",
        "The eyes are closed.",
        "Please keep your eyes open and look at the camera.",
    )
    EYES_NOT_VISIBLE = (
        "eyes_not_visible",
        "The eyes cannot be seen.",
        "Please take off sunglasses and keep hair out of your eyes.",
    )
    FACE_COVERED = (
        "face_covered",
        "Part of the face is covered.",
        "Please take off anything that covers your face, such as a mask or scarf, if you can.",
    )
    MOUTH_COVERED = (
        "mouth_covered",
        "Nose or mouth is covered.",
        "Please take off the mask or scarf, and keep your hands and other things away from your mouth and nose.",
    )
    LOW_RESOLUTION = (
        "low_resolution",
        "The picture has too few pixels on the face.",
        "Please record with a higher resolution, or bring the camera closer.",
    )
    LOW_FRAME_RATE = (
        "low_frame_rate",
        "The video has too few pictures per second.",
        "Please record in better light, or choose a normal video mode (not time lapse).",
    )
    RECORDING_STALLED = (
        "recording_stalled",
        "The picture stood still for a while.",
        "Please close other programs, use a steady connection, and record again.",
    )
    VIDEO_TOO_SHORT = (
        "video_too_short",
        "The video is too short.",
        "Please record for at least three seconds.",
    )
    HEAVILY_COMPRESSED = (
        "heavily_compressed",
        "The video is compressed too much to be judged.",
        "Please send the original recording, not a copy from a messaging app.",
    )
    QUALITY_FELL = (
        "quality_fell",
        "From some moment on the video has less detail than before.",
        "Please record again in one take, at one distance and over a good connection, and send the recording as it is.",
    )
    TIME_BASE_INVALID = (
        "time_base_invalid",
        "The times of the pictures in the video make no sense.",
        "Please record a new video and send it unedited.",
    )
    RECORDING_INCOMPLETE = (
        "recording_incomplete",
        "Only the first part of the recording could be read.",
        "Please send the recording again: the file seems to be cut off.",
    )
    NOT_FROM_A_CAMERA = (
        "not_from_a_camera",
        "The file names a screen recorder or a virtual camera as its source.",
        "Please record with your phone's own camera, and send that recording as it is.",
    )
    SURROUNDINGS_HIDDEN = (
        "surroundings_hidden",
        "Something drawn over the picture hides what is around the face.",
        "Please record with nothing drawn over the picture, so that the room around your head can be seen.",
    )
    SEVERAL_PICTURE_TRACKS = (
        "several_picture_tracks",
        "The file holds several moving pictures, and a player may show another one than was looked at.",
        "Please record with your phone's own camera, with one lens, and send that recording as it is.",
    )
    RECORDING_CUT = (
        "recording_cut",
        "The recording is not one take: it jumps from one scene to another, or shows a passage twice.",
        "Please record again in one take, without pausing or cutting.",
    )

    # -- the challenge ---------------------------------------------------------------------------
    CHALLENGE_FOLLOWED = ("challenge_followed", "The challenge was answered.", None)
    CHALLENGE_NOT_FOLLOWED = (
        "challenge_not_followed",
        "The movements asked for were not seen in the right order and time.",
        "Please ask for a new challenge and do each movement when it is asked for.",
    )
    TURN_TOO_SMALL = (
        "turn_too_small",
        "The head was not turned far enough, or not held there.",
        "Please turn your head as far as is comfortable when asked, and hold it there for a second.",
    )
    APPROACH_TOO_SMALL = (
        "approach_too_small",
        "The face did not come close enough, or go far enough away, to show that it is no flat picture.",
        "Please come much closer when asked, until your face fills half of the picture, or go as far away as you can.",
    )
    CHALLENGE_EXPIRED = (
        "challenge_expired",
        "The challenge is no longer valid.",
        "Please ask for a new challenge and answer it at once.",
    )
    CHALLENGE_SIGNATURE_INVALID = (
        "challenge_signature_invalid",
        "The challenge was not issued by this service, or was altered.",
        "Please ask for a new challenge.",
    )
    CHALLENGE_REUSED = (
        "challenge_reused",
        "The challenge was used before.",
        "Please ask for a new challenge.",
    )
    CHALLENGE_SUPERSEDED = (
        "challenge_superseded",
        "A newer challenge was issued, so this one does not count any more.",
        "Please answer the newest challenge that you asked for.",
    )
    CHALLENGE_UNKNOWN = (
        "challenge_unknown",
        "The challenge is not on the record of those that were issued.",
        "Please ask for a new challenge.",
    )
    CHALLENGE_IMPOSSIBLE_TIME = (
        "challenge_impossible_time",
        "The recording arrived before it could have been made: its challenge was issued too short a time before.",
        "Please ask for a new challenge and record its answer in one take.",
    )
    CHALLENGE_OF_ANOTHER = (
        "challenge_of_another",
        "The challenge was issued for another attempt.",
        "Please ask for a challenge of your own.",
    )
    CHALLENGE_PREDICTABLE = (
        "challenge_predictable",
        "The challenge was made from a seed, so anybody can prepare for it.",
        "Please ask for a new challenge.",
    )
    CAPTURE_NOT_BOUND = (
        "capture_not_bound",
        "Nothing shows that the recording was made for this attempt.",
        "Please record with the page's own camera, and follow its requests.",
    )
    CHALLENGE_MISSING = (
        "challenge_missing",
        "This policy requires a challenge and none was given.",
        "Please ask for a challenge and record yourself answering it.",
    )

    def __repr__(self) -> str:
        return f"Reason.{self.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Assessed(Generic[T]):
    """A judgement that could be made."""

    value: T


@dataclass(frozen=True, slots=True, kw_only=True)
class NotAssessed:
    """A judgement that could not be made, and why. Never turns into "yes".

    Parameters
    ----------
    reason
        The retry code that this leads to.
    detail
        What was measured, with units, for the person who reads the report.
    causes
        What makes it so, where that is known more closely, most useful advice first.
    notes
        What was met on the way, one sentence each.
    """

    reason: Reason
    detail: str = ""
    causes: tuple[Reason, ...] = ()
    notes: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        raise TypeError("NotAssessed is neither true nor false; match on its type")
