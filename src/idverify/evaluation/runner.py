"""A run: trials file in, journal, scores and reports out.

The folder of a run holds ``journal.jsonl`` (finished trials, appended to), then ``run.json`` (what made the scores),
``scores.csv``, ``report.json``, ``report.md`` and ``report.html``. No time and no duration is written into any of
them: a run that was killed and resumed leaves the same bytes as one that was not.

Public items: :func:`evaluate`, :class:`Progress`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path

from idverify.errors import ParameterError
from idverify.evaluation.executors import Executor, LocalExecutor, WorkerDeath
from idverify.evaluation.journal import Journal
from idverify.evaluation.report import write_report
from idverify.evaluation.scores import write_atomically, write_scores
from idverify.evaluation.system import SystemUnderTest
from idverify.evaluation.work import EnrolledPhoto, VideoJob, dead, enrol_photo, judge_video
from idverify.protocols import Trial, read_trials

__all__ = ["Progress", "evaluate"]

# Called with "photos" or "trials", how many of them are done, and how many there are.
Progress = Callable[[str, int, int], None]
# A trial takes as long as watching so much of a video file; good enough to begin with the longest job.
BYTES_PER_TRIAL = 8_000


def evaluate(
    trials_path: str | Path,
    out: str | Path,
    *,
    policy: str = "ial2",
    card: Path | None = None,
    engine: Executor | None = None,
    resume: bool = False,
    progress: Progress | None = None,
    make_system: Callable[[], SystemUnderTest] | None = None,
) -> Path:
    """Judge every trial of a file and write scores and reports.

    Parameters
    ----------
    trials_path
        See :mod:`idverify.protocols.trials`.
    out
        Folder of the run; made where it is not there.
    policy
        Name or file of the policy to judge by.
    card
        File of the calibration card to judge by; by default the one that the package ships.
    engine
        What runs the work; by default processes of this machine, one a core.
    resume
        Go on with a run that was cut short. Without it, a folder that holds a run is refused.
    progress
        Called with what was done ("photos" enrolled, "trials" judged), how many so far, and how many there are.
    make_system
        Makes the system of each worker; by default the verifier under `policy` and `card`.

    Returns
    -------
    Path
        ``report.json``.

    Raises
    ------
    ParameterError
        The trials file is wrong, or the folder holds another run.
    IdverifyError
        The models or the policy cannot be used.
    """
    trials_path, out = Path(trials_path), Path(out)
    trials = read_trials(trials_path)
    journal_path = out / "journal.jsonl"
    if journal_path.exists() and not resume:
        raise ParameterError(f"{out} holds a run already; go on with --resume, or use another folder")
    out.mkdir(parents=True, exist_ok=True)
    make_system = make_system or _verifiers(policy, card)
    stamp = dict(make_system().stamp)
    with Journal(journal_path, {"trials_sha256": _fingerprint(trials), **stamp}) as journal:
        _judge(journal, trials, trials_path.parent, make_system, engine or LocalExecutor(), progress)
        write_atomically(out / "run.json", json.dumps(stamp, indent=2, ensure_ascii=False) + "\n")
        write_scores(out / "scores.csv", trials, journal.results)
    return write_report(out)


def _verifiers(policy: str, card: Path | None) -> Callable[[], SystemUnderTest]:
    # Here, so that reports and made-up systems load no models.
    from idverify.evaluation.verifier_system import VerifierSystem

    return partial(VerifierSystem, policy, card)


def _judge(
    journal: Journal,
    trials: Sequence[Trial],
    base: Path,
    make_system: Callable[[], SystemUnderTest],
    engine: Executor,
    progress: Progress | None,
) -> None:
    """First every photo that is needed, then every video with the photos that it meets; each is opened once."""
    report = progress or (lambda what, done, total: None)
    todo = _unfinished(trials, base, journal)
    photos = list(dict.fromkeys(photo for rows in todo.values() for _, photo in rows if photo is not None))
    report("photos", 0, len(photos))
    report("trials", len(journal.results), len(trials))
    enrolled: dict[Path, EnrolledPhoto] = {}
    for number, photo in engine.map(enrol_photo, photos, setup=make_system):
        enrolled[photos[number]] = dead(photo) if isinstance(photo, WorkerDeath) else photo
        report("photos", len(enrolled), len(photos))
    # The longest first, so that all workers end together.
    videos = sorted(todo, key=lambda video: _work(video, len(todo[video])), reverse=True)
    jobs = (VideoJob(video=video, references=_references(todo[video], enrolled)) for video in videos)
    for number, answers in engine.map(judge_video, jobs, setup=make_system):
        for place, (trial, _) in enumerate(todo[videos[number]]):
            journal.add(trial, dead(answers) if isinstance(answers, WorkerDeath) else answers[place])
            report("trials", len(journal.results), len(trials))


def _unfinished(
    trials: Sequence[Trial], base: Path, journal: Journal
) -> dict[Path, list[tuple[int, Path | None]]]:
    """Video -> number and reference of each of its trials that has no result yet."""
    todo: dict[Path, list[tuple[int, Path | None]]] = {}
    for number, trial in enumerate(trials):
        if number not in journal.results:
            photo = base / trial.reference if trial.reference else None
            todo.setdefault(base / trial.video, []).append((number, photo))
    return todo


def _references(
    rows: Sequence[tuple[int, Path | None]], enrolled: Mapping[Path, EnrolledPhoto]
) -> tuple[EnrolledPhoto, ...]:
    return tuple(None if photo is None else enrolled[photo] for _, photo in rows)


def _work(video: Path, n_trials: int) -> float:
    size = video.stat().st_size if video.is_file() else 0
    return n_trials + size / BYTES_PER_TRIAL


def _fingerprint(trials: Sequence[Trial]) -> str:
    rows = json.dumps([asdict(trial) for trial in trials], ensure_ascii=False, sort_keys=True)
    return hashlib.sha256(rows.encode()).hexdigest()
