"""Make a fresh challenge, seal it, write it down and read it back.

Goal: a random sequence of movements, of screen colours, or of both, that no recording made before it
can answer except by luck, and the chance of that luck as a number.

Conventions: step times are seconds from the first frame of the recording; issue and expiry times are
seconds since 1970 (UTC). Every time is a whole number of milliseconds, and the file holds these.
No movement or colour follows itself, and no sequence reads the same backwards, so a reversed video
never fits. One movement at least is a turn, which tells most, unless the person cannot make one.

How the chance is bounded: whatever a video shows, verification sees at most one movement in each
step's window (:mod:`idverify.challenge.movements`), hence at most one sequence in all. The sequence
asked for is drawn uniformly, without regard to the windows, so a video made beforehand fits with a
probability of at most one over the number of sequences. The same holds for colours. Who may look at many challenges and
answer the one that fits has many times that chance, so a challenge is sealed to a subject, and a nonce store counts
what each subject was issued (:mod:`idverify.challenge.nonces`).

Public items: :class:`Challenge`, :class:`Step`, :class:`LightStep`, :func:`issue`,
:func:`guess_probability`, :data:`KINDS`.
"""

from __future__ import annotations

import hmac
import math
import random
import secrets
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeVar

from idverify.challenge.actions import TURNS, Action, Colour, actions_named
from idverify.challenge.nonces import NonceStore
from idverify.challenge.signing import is_signed, sealed_subject, secret_key, sign
from idverify.errors import ParameterError
from idverify.text import foreign

__all__ = ["KINDS", "Challenge", "Kind", "LightStep", "Step", "guess_probability", "issue"]

Kind = Literal["motion", "light", "both"]
KINDS: tuple[Kind, ...] = ("motion", "light", "both")
FORMAT = "idverify-challenge/2"

T = TypeVar("T")

# The bar of this project for three steps: no challenge is issued that luck answers more often.
MAX_GUESS_PROBABILITY = 0.01
DEFAULT_STEPS = 3
MAX_STEPS = 8
# Five of six colours in a row: more sequences than four movements have, in about five seconds.
DEFAULT_COLOURS = 5

# A week: nobody answers later, and what is open longer can be prepared for longer.
MAX_TTL_S = 604_800.0
# A resting look at the camera before the first step: the baseline of every signal.
LEAD_IN_MS = 1_000
# A person starts 0.2 to 1.5 s after the prompt; the movement out takes under a second, a turn is held for one more, the
# way back may overlap with the next window. Measured by benchmarks/accuracy/challenge_guessing.py. The same for all
# movements: a window's length must not tell which one it is for, or a video could fit several sequences.
STEP_MS = (4_000, 4_800)
# WCAG 2.2, success criterion 2.3.1: at most three flashes in any second. Here at most 1.25.
LIGHT_STEP_MS = (800, 1_200)
# Between the last movement's window and the first colour: time to come back to rest.
PAUSE_MS = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One movement and its window, in seconds from the recording's first frame."""

    action: Action
    start_s: float
    end_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class LightStep:
    """One screen colour and when it is shown, in seconds from the recording's first frame."""

    colour: Colour
    start_s: float
    end_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Challenge:
    """A sealed request for movements, colours, or both.

    Parameters
    ----------
    nonce
        32 random hexadecimal digits; good for one attempt.
    issued_at_s, expires_at_s
        Seconds since 1970 (UTC).
    subject
        For whom or for which attempt, as a keyed hash of 64 hexadecimal digits (the reference itself is not in the
        file); empty where it was issued for nobody in particular.
    actions
        The movements that the steps were drawn from.
    steps, light
        What to do and what to show; either may be empty, not both.
    seeded
        Drawn from a seed: repeatable, hence predictable, hence for tests only.
    hmac_sha256
        The seal over all of the above, 64 hexadecimal digits.
    """

    nonce: str
    issued_at_s: float
    expires_at_s: float
    subject: str = ""
    actions: tuple[Action, ...]
    steps: tuple[Step, ...]
    light: tuple[LightStep, ...]
    seeded: bool
    hmac_sha256: str = ""

    @property
    def kind(self) -> Kind:
        """What is asked for: ``motion``, ``light`` or ``both``."""
        return "both" if self.steps and self.light else "motion" if self.steps else "light"

    @property
    def duration_s(self) -> float:
        """How long the recording has to be, in seconds."""
        return max([step.end_s for step in self.steps] + [part.end_s for part in self.light])

    @property
    def guess_probability(self) -> float:
        """The chance that a video made beforehand fits, at most."""
        return guess_probability(
            n_actions=len(self.actions),
            n_turns=len(set(TURNS) & set(self.actions)),
            n_steps=len(self.steps),
            n_colours=len(self.light),
        )

    def payload(self) -> dict[str, object]:
        """Return what is sealed, in integers, strings and lists."""
        return {
            "format": FORMAT,
            "kind": self.kind,
            "nonce": self.nonce,
            "issued_at_ms": _ms(self.issued_at_s),
            "expires_at_ms": _ms(self.expires_at_s),
            "subject": self.subject,
            "actions": [action.value for action in self.actions],
            "steps": [
                {"action": s.action.value, "start_ms": _ms(s.start_s), "end_ms": _ms(s.end_s)} for s in self.steps
            ],
            "light": [
                {"colour": s.colour.value, "start_ms": _ms(s.start_s), "end_ms": _ms(s.end_s)} for s in self.light
            ],
            "seeded": self.seeded,
        }

    def is_for(self, subject: str, key: bytes | str | None = None) -> bool:
        """Tell whether this challenge was issued for ``subject``."""
        return bool(self.subject) and hmac.compare_digest(self.subject, sealed_subject(subject, secret_key(key)))

    def is_signed_by(self, key: bytes | str | None = None) -> bool:
        """Tell whether this challenge was sealed with ``key`` and not altered since."""
        return is_signed(self.payload(), self.hmac_sha256, secret_key(key))


def issue(
    *,
    kind: Kind = "motion",
    steps: int | None = None,
    ttl_s: float = 120.0,
    avoid: Iterable[str] = (),
    subject: str | None = None,
    nonce_store: NonceStore | None = None,
    seed: int | None = None,
    key: bytes | str | None = None,
    now_s: float | None = None,
) -> Challenge:
    """Draw and seal a new challenge.

    Parameters
    ----------
    kind
        ``motion``, ``light`` or ``both``.
    steps
        Number of movements; by default the fewest, from three on, that luck answers at most once in a
        hundred times. Ignored for ``light``.
    ttl_s
        Seconds until it expires; at least its own duration.
    avoid
        Movements that the person cannot make; see :func:`idverify.challenge.actions_named`.
    subject
        The service's own reference of the person or the attempt; its keyed hash is sealed in. Verification names it
        again.
    nonce_store
        Where the challenge is entered: it voids the subject's one before, and the subject's challenges are counted.
        A store that verifies a challenge must have issued it.
    seed
        For tests: the same movements and times every time. The nonce stays random.
    key
        The server's secret, at least 16 bytes; by default from ``IDVERIFY_CHALLENGE_KEY``.
    now_s
        The clock, in seconds since 1970 (UTC).

    Raises
    ------
    ChallengeError
        There is no secret, or too short a one.
    ChallengeLimitError
        The subject was issued as many challenges as the store allows.
    ParameterError
        The arguments leave too little to ask for, so that luck would answer too often, or are no such values.
    """
    secret = secret_key(key)
    if kind not in KINDS:
        raise ParameterError(f"unknown kind of challenge {foreign(kind)!r}; expected one of {', '.join(KINDS)}")
    if nonce_store is not None and subject is None:
        raise ParameterError("a nonce store counts challenges by subject: name the subject")
    moment_s = time.time() if now_s is None else finite_time(now_s, "now_s")
    if not (math.isfinite(ttl_s) and 0 < ttl_s <= MAX_TTL_S):
        raise ParameterError(f"ttl_s is a number of seconds between 0 and {MAX_TTL_S:g}, got {ttl_s!r}")
    avoided = actions_named(avoid)
    allowed = tuple(action for action in Action if action not in avoided)
    n_colours = 0 if kind == "motion" else DEFAULT_COLOURS
    n_steps = 0 if kind == "light" else _step_count(steps, allowed, n_colours)
    rng = random.SystemRandom() if seed is None else random.Random(seed)
    movements, end_ms = _schedule(_draw(allowed, n_steps, rng, TURNS), LEAD_IN_MS, STEP_MS, rng)
    light_start_ms = end_ms + (PAUSE_MS if n_steps else 0)
    colours, _ = _schedule(_draw(tuple(Colour), n_colours, rng), light_start_ms, LIGHT_STEP_MS, rng)
    issued_ms = _ms(moment_s)
    challenge = Challenge(
        nonce=secrets.token_hex(16),
        issued_at_s=issued_ms / 1000,
        expires_at_s=(issued_ms + _ms(ttl_s)) / 1000,
        subject="" if subject is None else sealed_subject(subject, secret),
        actions=allowed if n_steps else (),
        steps=tuple(Step(action=a, start_s=s / 1000, end_s=e / 1000) for a, s, e in movements),
        light=tuple(LightStep(colour=c, start_s=s / 1000, end_s=e / 1000) for c, s, e in colours),
        seeded=seed is not None,
    )
    if ttl_s < challenge.duration_s:
        raise ParameterError(f"the challenge lasts {challenge.duration_s:.1f} s, longer than ttl_s = {ttl_s:g}")
    if nonce_store is not None:
        nonce_store.issue(
            challenge.nonce, subject=challenge.subject, expires_at_s=challenge.expires_at_s, now_s=challenge.issued_at_s
        )
    return replace(challenge, hmac_sha256=sign(challenge.payload(), secret))


def guess_probability(
    *, n_actions: int = len(Action), n_turns: int = len(TURNS), n_steps: int = 0, n_colours: int = 0
) -> float:
    """Return the chance that a recording made beforehand fits a challenge, at most.

    Of ``n`` symbols there are ``n (n - 1)^(k - 1)`` sequences of length ``k`` in which none follows
    itself; those that read the same backwards, ``n (n - 1)^((k - 1) / 2)`` for odd ``k`` and none for even
    ``k``, are not issued, nor are those without a turn where there are turns to ask for.

    Parameters
    ----------
    n_actions
        How many movements the steps are drawn from.
    n_turns
        How many of these are turns.
    n_steps, n_colours
        Lengths of the two sequences; 0 for none.

    Returns
    -------
    float
        One over the number of challenges, 1.0 where there is only one or none.

    Examples
    --------
    >>> round(1 / guess_probability(n_steps=3)), round(1 / guess_probability(n_steps=4))
    (294, 3096)
    """
    without_turn = _sequences(n_actions - n_turns, n_steps) if n_turns and n_steps else 0
    movements = _sequences(n_actions, n_steps) - without_turn
    return 1.0 / max(1, movements * _sequences(len(Colour), n_colours))


def finite_time(value: float, name: str) -> float:
    """Return a time in seconds since 1970, or say that it is none.

    Raises
    ------
    ParameterError
        It is negative, not finite, or too large to be exact in a file.
    """
    # 2**53 milliseconds: integers above are not exact in JSON readers; far beyond any date.
    if not (math.isfinite(value) and 0 <= value < 2**53 / 1000):
        raise ParameterError(f"{name} is a time in seconds since 1970, got {value!r}")
    return float(value)


def _sequences(n: int, k: int) -> int:
    if k == 0:
        return 1
    if n <= 0:
        return 0
    mirrored = n * (n - 1) ** ((k - 1) // 2) if k % 2 else 0
    return int(n * (n - 1) ** (k - 1) - mirrored)


def _step_count(steps: int | None, actions: Sequence[Action], n_colours: int) -> int:
    """Return the number of steps to draw, or say which number would do."""
    n_actions, n_turns = len(actions), len(set(TURNS) & set(actions))

    def safe(k: int) -> bool:
        luck = guess_probability(n_actions=n_actions, n_turns=n_turns, n_steps=k, n_colours=n_colours)
        return luck <= MAX_GUESS_PROBABILITY

    # Fewer than three movements make sequences that only alternate: too few whatever their length.
    least = next((k for k in range(2, MAX_STEPS + 1) if safe(k)), None) if n_actions >= 3 else None
    if least is None:
        raise ParameterError(f"{n_actions} movements are too few to ask for; avoid fewer, or use the light challenge")
    if steps is None:
        return max(least, DEFAULT_STEPS)
    if not least <= steps <= MAX_STEPS:
        raise ParameterError(
            f"{steps} steps of {n_actions} movements: expected {least} to {MAX_STEPS}, so that luck answers "
            f"at most {MAX_GUESS_PROBABILITY:.0%} of the challenges"
        )
    return steps


def _draw(symbols: Sequence[T], length: int, rng: random.Random, telling: Sequence[T] = ()) -> list[T]:
    """Draw uniformly among the sequences without a direct repeat that differ from their reversal.

    One symbol at least is among the telling ones, where any of those is there to be drawn.
    """
    if length == 0:
        return []
    wanted = set(telling) & set(symbols)
    while True:
        drawn = [rng.choice(symbols)]
        while len(drawn) < length:
            drawn.append(rng.choice([symbol for symbol in symbols if symbol != drawn[-1]]))
        if drawn != drawn[::-1] and (not wanted or wanted & set(drawn)):
            return drawn


def _schedule(
    symbols: Sequence[T], start_ms: int, length_ms: tuple[int, int], rng: random.Random
) -> tuple[list[tuple[T, int, int]], int]:
    """Give each symbol a window of random length, one after the other."""
    placed = []
    for symbol in symbols:
        end_ms = start_ms + rng.randint(*length_ms)
        placed.append((symbol, start_ms, end_ms))
        start_ms = end_ms
    return placed, start_ms


def _ms(seconds: float) -> int:
    return round(seconds * 1000)
