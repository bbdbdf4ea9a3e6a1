"""Everything that the caller or the machine can get wrong, as one tree.

What the *person before the camera* did is never an exception: it is a value
(:class:`idverify.reasons.NotAssessed`) or a reason inside a decision.

::

    IdverifyError
    ├── MediaError (ValueError)            the bytes given are not usable media
    │   ├── MediaNotFoundError (FileNotFoundError)
    │   ├── UnsupportedMediaError          not a video / photo, or a codec that is not read
    │   ├── CorruptMediaError              truncated or damaged
    │   └── MediaLimitError                over a limit of the policy: bytes, pixels, seconds to decode
    ├── ModelError (RuntimeError)
    │   ├── ModelMissingError (FileNotFoundError)
    │   └── ModelIntegrityError            the file's sha256 is not the manifest's
    ├── CalibrationError (ValueError)      a card that is damaged or belongs to other models
    ├── PolicyError (ValueError)           an empty, unknown or contradictory policy
    ├── ChallengeError (ValueError)        no secret, or a challenge file that is not one
    │   └── ChallengeLimitError            a subject asked for more challenges than are allowed
    ├── ParameterError (ValueError)        an argument outside its documented domain
    └── NotAcceptedError                   raised only by ``Decision.raise_unless_accepted``
"""

from __future__ import annotations

import builtins

from idverify.text import foreign

__all__ = [
    "CalibrationError",
    "ChallengeError",
    "ChallengeLimitError",
    "CorruptMediaError",
    "IdverifyError",
    "MediaCrashedError",
    "MediaError",
    "MediaLimitError",
    "MediaNotFoundError",
    "ModelError",
    "ModelIntegrityError",
    "ModelMissingError",
    "NotAcceptedError",
    "ParameterError",
    "PolicyError",
    "UnsupportedMediaError",
]


# A sentence, and the names in it.
_MAX_CHARACTERS = 1000


class IdverifyError(Exception):
    """Root of every error this package raises on purpose; its message does nothing to a terminal or a log."""

    def __init__(self, *args: object) -> None:
        super().__init__(*(_one_sentence(arg) if isinstance(arg, str) else arg for arg in args))


def _one_sentence(text: str) -> str:
    # Parsers break their messages into lines; in a log a line of its own could be anybody's.
    return foreign(" ".join(text.splitlines()), limit=_MAX_CHARACTERS)


class MediaError(IdverifyError, ValueError):
    """The bytes given are not usable media."""


class MediaNotFoundError(MediaError, builtins.FileNotFoundError):
    """No such file, or one that may not be read."""


class UnsupportedMediaError(MediaError):
    """Not a video or photo, or a format that is not read."""


class CorruptMediaError(MediaError):
    """The container or its pictures are truncated or damaged."""


class MediaLimitError(MediaError):
    """Over a limit of the policy: bytes, pixels or seconds of decoding."""


class MediaCrashedError(MediaError):
    """Decoding ended its process, took too long or too much memory; nothing is said about the person.

    Parameters
    ----------
    killed
        Whether the process was killed, or stopped for long, by the system or an operator, and not for what it read.
    """

    def __init__(self, *message: object, killed: bool = False) -> None:
        super().__init__(*message)
        self.killed = killed


class ModelError(IdverifyError, RuntimeError):
    """A model cannot be used."""


class ModelMissingError(ModelError, builtins.FileNotFoundError):
    """A model file is not on this machine."""


class ModelIntegrityError(ModelError):
    """A model file is not the one that the manifest names."""


class CalibrationError(IdverifyError, ValueError):
    """A calibration card is damaged, or belongs to other models."""


class PolicyError(IdverifyError, ValueError):
    """A policy is empty, unknown or contradicts itself."""


class ChallengeError(IdverifyError, ValueError):
    """A challenge cannot be issued or read."""


class ChallengeLimitError(ChallengeError):
    """A subject was issued as many challenges as are allowed."""


class ParameterError(IdverifyError, ValueError):
    """An argument is outside its documented domain."""


class NotAcceptedError(IdverifyError):
    """A decision that was required to be *accept* is not."""
