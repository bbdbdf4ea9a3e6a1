"""A system without models: it judges by the names of the files, always the same, and can be told to misbehave."""

from __future__ import annotations

import hashlib
import os
import random
import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import cv2

from idverify.errors import CorruptMediaError, ModelMissingError
from idverify.evaluation.system import Judge
from idverify.models import cores
from idverify.pad.evidence import PADEvidence, Status
from idverify.protocols import Presentation, Split, Trial
from idverify.reasons import Reason
from idverify.verification.decision import (
    Decision,
    FrameCounts,
    LivenessEvidence,
    MatchEvidence,
    Outcome,
    PolicyStamp,
    Task,
)

THRESHOLD = 0.5


def noise(*names: str) -> float:
    """A number between 0 and 1 that depends on the names only."""
    digest = hashlib.sha256("/".join(names).encode()).digest()
    return int.from_bytes(digest[:8], "big") / 2**64


class FakeSystem:
    """Files are called PERSON_..., attack_PERSON_..., corrupt_...; crash_... kills the process.

    What it is asked for goes to the file `log`, a line each, with the cores that it may use.
    """

    stamp: Mapping[str, Any] = {
        "idverify_version": "0",
        "policy": {
            "name": "fake",
            "sha256": "f" * 64,
            "target_fmr": 1e-2,
            "accept_liveness_llr": 1.0,
            "reject_liveness_llr": -1.0,
            "prior": {"genuine": 0.5, "impostor": 0.25, "attack": 0.25},
        },
        "models": {"fake": "0" * 64},
    }

    def __init__(self, pause_s: float = 0.0, missing: bool = False, log: Path | None = None) -> None:
        if missing:
            raise ModelMissingError("the model fake is not on this machine; run `idverify models pull`")
        self.pause_s = pause_s
        self.log = log

    def observe(self, video: Path) -> Judge:
        self._open("look", video)
        return partial(self.judge, video)

    def enrol(self, reference: Path) -> Path:
        self._open("enrol", reference)
        return reference

    def _open(self, verb: str, path: Path) -> None:
        if self.log is not None:
            with self.log.open("a") as log:  # one short line each: appended in one piece
                log.write(f"{verb} {path.name} {cores.usable()} {cv2.getNumThreads()}\n")
        if path.name.startswith("corrupt"):
            raise CorruptMediaError(f"{path.name}: no frame can be decoded")
        if path.name.startswith("crash"):
            os._exit(17)

    def judge(self, video: Path, reference: Path | None) -> Decision:
        time.sleep(self.pause_s)
        attack = video.name.startswith("attack_")
        who = video.name.removeprefix("attack_").split("_")[0]
        live = (-3.0 if attack else 3.0) + 4.0 * (noise(video.name) - 0.5)
        match = None
        if reference is not None:
            mated = reference.name.split("_")[0] == who
            similarity = (0.8 if mated else 0.2) + 0.6 * (noise(video.name, reference.name) - 0.5)
            match = MatchEvidence(
                similarity=similarity,
                llr=10.0 * (similarity - THRESHOLD),
                probability=0.5,
                fmr_at_score=0.01,
                average_fmr_at_score=0.01,
                fmr_at_threshold=0.01,
                stated_for="strangers at large, of any sex and group",
                reference_kind="portrait",
                threshold=THRESHOLD,
                target_fmr=1e-2,
                matched=similarity >= THRESHOLD,
            )
        accepted = live >= 1.0 and (match is None or match.matched)
        evidence = PADEvidence(
            name="stillness", status=Status.ASSESSED, unit="u", detail="d", native=live / 2, bona_fide_llr=live
        )
        return Decision(
            task=Task.CHECK if reference else Task.LIVENESS,
            outcome=Outcome.ACCEPT if accepted else Outcome.INCONCLUSIVE if abs(live) < 1 else Outcome.REJECT,
            confidence=None if match is None else 0.99 if accepted else 0.02,
            reasons=(Reason.LIVE if accepted else Reason.LIVENESS_UNCERTAIN,),
            warnings=(),
            match=match,
            liveness=LivenessEvidence(llr=live, probability=0.5, mechanisms=(evidence,)),
            quality={},
            injection_signals=(),
            frames=FrameCounts(decoded=1, analysed=1, compared=1, times_s=(0.0,)),
            bystanders=0,
            reference=None,
            policy=PolicyStamp(name="fake", sha256="f" * 64),
            models=(),
            calibration=None,
            timing_ms={"recording": random.random()},
            idverify_version="0",
        )


def made_up_trials(people: int = 8, extra: tuple[str, ...] = ("corrupt_1.mp4",)) -> list[Trial]:
    """Every person against every photo in dev and eval, two species of attack, and liveness alone."""
    trials = []
    for split in (Split.DEV, Split.EVAL):
        names = [f"{split.value}{n}" for n in range(people)]
        for number, who in enumerate(names):
            common = {"subject": who, "split": split, "group": "ab"[number % 2], "device": "phone"}
            for other in names:
                trials.append(
                    Trial(
                        video=f"{who}_selfie.mp4",
                        reference=f"{other}_photo.jpg",
                        mated=other == who,
                        presentation=Presentation.BONA_FIDE,
                        reference_subject=other,
                        **common,
                    )
                )
            for species in ("print", "replay"):
                trials.append(
                    Trial(
                        video=f"attack_{who}_{species}.mp4",
                        reference=f"{who}_photo.jpg",
                        mated=True,
                        presentation=Presentation.ATTACK,
                        pai_species=species,
                        **common,
                    )
                )
    trials += [
        Trial(video=name, presentation=Presentation.BONA_FIDE, subject="dev0", split=Split.EVAL) for name in extra
    ]
    return trials
