"""A run: trials file in, journal, scores and reports out.

The folder of a run holds ``journal.jsonl`` (finished trials, appended to), then ``run.json`` (what made the scores),
``scores.csv``, ``report.json``, ``report.md`` and ``report.html``. No time and no duration is written into any of
them: a run that was killed and resumed leaves the same bytes as one that was not.

Public items: :func:`evaluate`, :class:`Progress`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path

from idverify.errors import ParameterError
from idverify.evaluation.journal import Journal
from idverify.evaluation.report import write_report
from idverify.evaluation.scores import write_atomically, write_scores
from idverify.evaluation.system import SystemUnderTest
from idverify.evaluation.workers import Enrolled, Job, answers
from idverify.models import cores
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
    workers: int | None = None,
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
    workers
        Processes; by default the cores of this process.
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
        _judge(journal, trials, trials_path.parent, make_system, workers or cores.usable(), progress)
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
    workers: int,
    progress: Progress | None,
) -> None:
    report = progress or (lambda what, done, total: None)
    jobs = _jobs(trials, base, journal)
    photos, enrolled = len({r for job in jobs for _, r in job.trials if r is not None}), 0
    report("photos", 0, photos)
    report("trials", len(journal.results), len(trials))
    for answer in answers(jobs, make_system, workers=workers):
        if isinstance(answer, Enrolled):
            enrolled += 1
            report("photos", enrolled, photos)
        else:
            journal.add(answer.trial, answer.result)
            report("trials", len(journal.results), len(trials))


def _jobs(trials: Sequence[Trial], base: Path, journal: Journal) -> list[Job]:
    """One job a video, with the trials that are not finished; the longest first, so that all end together."""
    todo: dict[str, list[tuple[int, Path | None]]] = {}
    for number, trial in enumerate(trials):
        if number not in journal.results:
            reference = base / trial.reference if trial.reference else None
            todo.setdefault(trial.video, []).append((number, reference))
    jobs = [Job(video=base / video, trials=tuple(rows)) for video, rows in todo.items()]
    return sorted(jobs, key=_work, reverse=True)


def _work(job: Job) -> float:
    size = job.video.stat().st_size if job.video.is_file() else 0
    return len(job.trials) + size / BYTES_PER_TRIAL


def _fingerprint(trials: Sequence[Trial]) -> str:
    rows = json.dumps([asdict(trial) for trial in trials], ensure_ascii=False, sort_keys=True)
    return hashlib.sha256(rows.encode()).hexdigest()
