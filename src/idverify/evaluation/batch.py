"""Decisions at scale: a manifest in, partitioned Parquet out, on any engine.

The results are parts of :data:`ROWS_PER_PART` rows of the manifest, in its order; a part is written in one piece once
its last row is decided, and what is there is left out when a batch is started again. A batch that was killed, anywhere
and however often, and started again gives the same bytes as one that was not: nothing that takes time or chance is
written, and the frames to compare are drawn from a secret of the batch and the recording's name.

Public items: :func:`run_batch`, :class:`BatchSystem`, :data:`Progress`.
"""

from __future__ import annotations

import hashlib
import hmac
import io
import json
import re
import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, Protocol

from idverify._version import __version__
from idverify.comparison.calibration import CalibrationCard, load_card
from idverify.errors import MediaCrashedError, MediaError, ParameterError
from idverify.evaluation.executors import Executor, LocalExecutor, WorkerDeath
from idverify.evaluation.manifest import Manifest, Row, read_manifest
from idverify.evaluation.storage import Storage, open_storage, read_media, require_addresses
from idverify.models import specs
from idverify.reasons import Reason
from idverify.verification.policy import DecisionPolicy, load_policy

__all__ = ["BatchSystem", "Decider", "Job", "Progress", "run_batch"]

# Called with the rows done, the rows to do, and the failures among those done.
Progress = Callable[[int, int, int], None]
# About a minute of one core: what a kill costs at most, and a file of some hundred kilobytes.
ROWS_PER_PART = 64
# Readers of a folder of Parquet leave out what begins so.
RUN = "_batch.json"
_MEDIA_BYTES = 200_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One recording and the rows that want a decision about it."""

    video: str
    policy: str
    base: Path | str
    # Row number, id and reference.
    wanted: tuple[tuple[int, str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of one row: the columns of the results that are not the manifest's."""

    outcome: str
    confidence: float | None = None
    reasons: tuple[str, ...] = ()
    similarity: float | None = None
    fmr_at_score: float | None = None
    liveness_llr: float | None = None
    error: str = ""
    decision: str = ""


class Decider(Protocol):
    """Decides jobs; one lives in each worker."""

    def decide(self, job: Job) -> list[Outcome]:
        """One outcome for each row of the job."""


class BatchSystem:
    """The verifier as the system of a batch; it decodes and analyses behind walls.

    Parameters
    ----------
    policies
        Those that rows name, by that name. They and the card are read once for the whole batch: what a file says later,
        or on another machine, is not what the batch was begun with.
    card
        None is the one that the package ships.
    key
        Secret of the batch, from which the draws of its recordings follow.
    """

    def __init__(self, policies: Mapping[str, DecisionPolicy], card: CalibrationCard | None, key: bytes) -> None:
        self._policies, self._card = policies, card
        self._key = key
        self._verifier = lru_cache(maxsize=8)(self._make)

    def _make(self, policy: str) -> Any:
        from idverify.verification import Verifier

        return Verifier(policy=self._policies[policy], card=self._card, isolation="process")

    def decide(self, job: Job) -> list[Outcome]:
        """Fetch the recording, watch it once, judge it against each reference, forget it."""
        verifier, seed = self._verifier(job.policy), draw_of(self._key, job.video)
        try:
            video = read_media(job.video, job.base, max_bytes=_MEDIA_BYTES)
            photos = [read_media(reference, job.base, max_bytes=_MEDIA_BYTES) for _, _, reference in job.wanted]
            try:
                decisions = verifier.check_many(video, photos, seed=seed)
            except MediaCrashedError as error:
                if not error.killed:
                    raise
                # Not for what it read: a kill costs no row its decision, unless it comes again.
                decisions = verifier.check_many(video, photos, seed=seed)
            return _outcomes(decisions, len(job.wanted))
        except MediaError as error:
            if len(job.wanted) == 1:
                return [_failed(error)]
        try:
            # Without any photo: what is wrong with the recording is not waited for again with each of them.
            verifier.assess_liveness(read_media(job.video, job.base, max_bytes=_MEDIA_BYTES), seed=seed)
        except MediaError as error:
            return [_failed(error)] * len(job.wanted)
        # One photo that cannot be used costs no other row its decision.
        return [self.decide(replace(job, wanted=(row,)))[0] for row in job.wanted]


def _outcomes(decisions: Any, n_rows: int) -> list[Outcome]:
    """What a process in a stranger's hands answered may be anything, and costs its own rows at most."""
    try:
        outcomes = [_outcome(decision) for decision in decisions]
        if len(outcomes) != n_rows:
            raise ValueError("not one decision for each row")
    except Exception as error:
        raise MediaCrashedError("the process that decodes answered with something that is no decision") from error
    return outcomes


def _outcome(decision: Any) -> Outcome:
    from idverify.report.json import dumps, to_json
    from idverify.verification.decision import Outcome as Verdict

    document = to_json(decision)
    # Two runs of one batch give the same bytes.
    del document["timing_ms"]
    match, liveness = decision.match, decision.liveness
    return Outcome(
        outcome=Verdict(decision.outcome).value,
        confidence=_number(decision.confidence),
        reasons=tuple(_code(reason) for reason in decision.reasons),
        similarity=_number(match.similarity) if match else None,
        fmr_at_score=_number(match.fmr_at_score) if match else None,
        liveness_llr=_number(liveness.llr) if liveness else None,
        decision=dumps(document),
    )


def _code(reason: Any) -> str:
    if not isinstance(reason, Reason):
        raise TypeError("no reason")
    return str(reason.value)


def _number(value: Any) -> float | None:
    return None if value is None else float(value)


def _failed(error: Exception) -> Outcome:
    return Outcome(outcome="failed", error=f"{type(error).__name__}: {error}")


def decide(system: Decider, job: Job) -> list[Outcome]:
    """The task of a worker."""
    return system.decide(job)


def run_batch(
    manifest_at: str,
    out: str | Path,
    *,
    policy: str = "ial2",
    card: Path | None = None,
    engine: Executor | None = None,
    limit: int | None = None,
    shard: tuple[int, int] = (1, 1),
    progress: Progress | None = None,
    make_system: Callable[[bytes], Decider] | None = None,
) -> tuple[int, int]:
    """Decide every row of a manifest that has no result yet.

    Parameters
    ----------
    manifest_at
        Path or address; see :mod:`idverify.evaluation.manifest`.
    out
        Folder or address of the results.
    policy
        For rows that name none.
    card
        File of a calibration card; None is the one that the package ships.
    engine
        What runs the work; by default processes of this machine, one a core.
    limit
        Decide at most the first so many rows of the manifest.
    shard
        ``(i, n)``: this run takes each n-th part, from the i-th on (1 to n), so that n runs share one manifest.
    progress
        See :data:`Progress`.
    make_system
        Makes a worker's system from the secret of the batch; by default :class:`BatchSystem`.

    Returns
    -------
    tuple of int
        Rows decided by this run, and how many of them failed.

    Raises
    ------
    ParameterError
        The manifest is wrong, the place holds another batch, or another run is at the same rows.
    IdverifyError
        The models, the policy or the card cannot be used.
    """
    first, step = shard
    if not 1 <= first <= step:
        raise ParameterError(f"a shard is i/n with 1 <= i <= n, got {first}/{step}")
    manifest, store = read_manifest(manifest_at), open_storage(out)
    total = len(manifest) if limit is None else min(limit, len(manifest))
    if manifest.names_addresses(total):
        require_addresses()
    policies = {name: load_policy(name) for name in sorted({policy, *manifest.policies})}
    own_card = None if card is None else load_card(card)
    key = _begun(store, manifest, policy, policies, own_card)
    setup = partial(make_system or partial(BatchSystem, policies, own_card), key)
    # A shard holds the byte of its number, the only one all of them: i/n and i/m have their first part in common.
    with store.held(RUN, first=0 if step == 1 else first, n_bytes=0 if step == 1 else 1):
        _remove_cut_short(store)
        parts = _parts_to_do(store.names(), total, shard)
        assembly = _Assembly(manifest, store, total, sum(stop - start for start, stop in parts.values()), progress)
        jobs = _Jobs(manifest, parts, policy)
        for number, answer in (engine or LocalExecutor()).map(decide, jobs, setup=setup):
            part, job = jobs.taken.pop(number)
            if isinstance(answer, WorkerDeath):
                answer = [Outcome(outcome="failed", error=answer.detail)] * len(job.wanted)
            assembly.add(part, parts[part], job, answer)
        _remove_cut_short(store)
    return assembly.done, assembly.failed


def _begun(
    store: Storage,
    manifest: Manifest,
    policy: str,
    policies: Mapping[str, DecisionPolicy],
    card: CalibrationCard | None,
) -> bytes:
    """Begin a batch, or find the same one; return its secret."""
    stamp = {
        "idverify_version": __version__,
        "manifest_sha256": manifest.sha256,
        "policy": policy,
        "policy_sha256": {name: read.sha256 for name, read in policies.items()},
        "card_sha256": "" if card is None else card.sha256,
        "models": {row.name: row.sha256 for row in specs() if row.default},
    }
    names = store.names()
    if RUN not in names:
        if _rows_there(names):
            raise ParameterError(f"the place of the results holds parts of a batch and no {RUN}: use another one")
        key = secrets.token_hex(16)
        store.create(RUN, json.dumps({**stamp, "key": key}, indent=2).encode() + b"\n")
    try:
        found = dict(json.loads(store.read(RUN)))
        secret = bytes.fromhex(found["key"])
    except (ValueError, TypeError, KeyError, RecursionError):
        raise ParameterError(f"the place of the results has a {RUN} that is of no batch: use another one") from None
    other = sorted(name for name, value in stamp.items() if found.get(name) != value)
    if other:
        raise ParameterError(f"the place of the results holds a batch with other {', '.join(other)}: use another one")
    return secret


def _parts_to_do(names: Iterable[str], total: int, shard: tuple[int, int]) -> dict[int, tuple[int, int]]:
    """Number of each part that is not there yet -> its stretch of rows."""
    first, step = shard
    there = _rows_there(names)
    starts = range(0, total, ROWS_PER_PART)
    return {
        number: (start, min(start + ROWS_PER_PART, total))
        for number, start in enumerate(starts)
        if number % step == first - 1 and there.get(number, 0) < min(start + ROWS_PER_PART, total) - start
    }


def _name(part: int, rows: int) -> str:
    """A part that a limit cut short has another name than the whole one."""
    return f"part-{part:07d}-{rows:03d}.parquet"


def _named(name: str) -> tuple[int, int] | None:
    """Part and rows of a name; None of what is no part."""
    found = re.fullmatch(r"part-([0-9]{7,12})-([0-9]{3})\.parquet", name)
    return (int(found[1]), int(found[2])) if found else None


def _rows_there(names: Iterable[str]) -> dict[int, int]:
    """Number of each part that is there -> how many of its rows."""
    return dict(sorted(filter(None, map(_named, names))))


def _remove_cut_short(store: Storage) -> None:
    """Remove parts of which a longer one is there, so that no row is found twice.

    At the beginning, for a run that was killed before it did so; at the end, when those of this run are there and,
    of runs at once, whichever ends last sees them all.
    """
    names = store.names()
    longest = _rows_there(names)
    for name in names:
        named = _named(name)
        if named is not None and named[1] < longest[named[0]]:
            store.remove(name)


class _Jobs:
    """The jobs of all parts, made as they are taken; `taken` says which part each belongs to."""

    def __init__(self, manifest: Manifest, parts: Mapping[int, tuple[int, int]], policy: str) -> None:
        self._manifest, self._parts, self._policy = manifest, parts, policy
        self.taken: dict[int, tuple[int, Job]] = {}

    def __iter__(self) -> Iterator[Job]:
        number = 0
        for part, (start, stop) in self._parts.items():
            for job in _jobs_of(self._manifest.rows(start, stop, policy=self._policy), self._manifest.base):
                self.taken[number] = (part, job)
                number += 1
                yield job


def _jobs_of(rows: Iterable[Row], base: Path | str) -> list[Job]:
    """One job a recording, with all the rows of the part that want it."""
    wanted: dict[tuple[str, str], list[tuple[int, str, str]]] = {}
    for row in rows:
        wanted.setdefault((row.video, row.policy), []).append((row.number, row.id, row.reference))
    return [Job(video=v, policy=p, base=base, wanted=tuple(rows)) for (v, p), rows in wanted.items()]


@dataclass(slots=True)
class _Assembly:
    """Outcomes of parts that are not complete yet; few at a time, since jobs come in order."""

    manifest: Manifest
    store: Storage
    total: int
    todo: int
    progress: Progress | None
    done: int = 0
    failed: int = 0
    open_parts: dict[int, dict[int, Outcome]] = field(default_factory=dict)

    def add(self, part: int, stretch: tuple[int, int], job: Job, outcomes: Iterable[Outcome]) -> None:
        """Take the outcomes of a job; write the part if they complete it."""
        rows = self.open_parts.setdefault(part, {})
        for (number, _, _), outcome in zip(job.wanted, outcomes, strict=True):
            rows[number] = outcome
            self.done += 1
            self.failed += outcome.outcome == "failed"
        start, stop = stretch
        if len(rows) == stop - start:
            complete = [rows[number] for number in range(start, stop)]
            self.store.write(_name(part, stop - start), _parquet(self.manifest, start, stop, complete))
            del self.open_parts[part]
        if self.progress is not None:
            self.progress(self.done, self.todo, self.failed)


def _parquet(manifest: Manifest, start: int, stop: int, outcomes: list[Outcome]) -> bytes:
    import pyarrow as pa
    from pyarrow import parquet

    carried = manifest.columns(start, stop)
    rows = list(manifest.rows(start, stop, policy=""))
    columns: dict[str, Any] = {
        "id": pa.array([row.id for row in rows], pa.string()),
        **{name: values for name, values in carried.items() if name != "id"},
        "outcome": pa.array([o.outcome for o in outcomes], pa.string()),
        "confidence": pa.array([o.confidence for o in outcomes], pa.float64()),
        "reasons": pa.array([list(o.reasons) for o in outcomes], pa.list_(pa.string())),
        "similarity": pa.array([o.similarity for o in outcomes], pa.float64()),
        "fmr_at_score": pa.array([o.fmr_at_score for o in outcomes], pa.float64()),
        "liveness_llr": pa.array([o.liveness_llr for o in outcomes], pa.float64()),
        "error": pa.array([o.error for o in outcomes], pa.string()),
        "decision": pa.array([o.decision for o in outcomes], pa.string()),
    }
    file = io.BytesIO()
    parquet.write_table(pa.table(columns), file, compression="zstd")
    return file.getvalue()


def draw_of(key: bytes, name: str) -> int:
    """The seed of a recording: the same at each start of a batch, and unknown to whoever made it."""
    # Six bytes: a seed is a whole number in any reader's JSON.
    return int.from_bytes(hmac.new(key, name.encode(), hashlib.sha256).digest()[:6], "big")
