"""Speed, memory and start-up of a check on this machine, as ratios that carry over to others.

Every time is the best of several rounds, and the check's time is given relative to two baselines that are measured
beside it in the same process: only decoding the clip, and the plain loop that decodes and turns every frame into a
full-size RGB array, as scripts do before they have looked at a single face. Memory and start-up are those of a fresh
process.

=========================  ========================================================================================
figure                     meaning
=========================  ========================================================================================
``decode_s``, ``loop_s``   the two baselines, in seconds
``check_s``                a whole check, models loaded, in seconds
``check_over_decode``      ``check_s / decode_s``; likewise ``check_over_loop``
``STAGE_over_decode``      each stage of the check, over ``decode_s``
``peak_memory_mb``         highest resident memory of a process that checks once
``import_s``               ``import idverify`` alone, beyond starting Python
``cold_start_s``           a check in a fresh process, beyond ``check_s`` and starting Python
``import_over_python``     ``import_s`` over starting Python and ending it
``cold_start_over_check``  ``cold_start_s / check_s``
``accuracy.NAME``          rates of a run of ``idverify evaluate``, with intervals
=========================  ========================================================================================

Public items: :func:`speed_figures`, :func:`process_figures`, :func:`accuracy_figures`.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import av

from idverify.errors import ParameterError
from idverify.evaluation.gates import Figure

__all__ = ["accuracy_figures", "process_figures", "speed_figures"]

Figures = dict[str, Figure]
# A fresh process that checks once; it prints its highest resident memory in bytes where the system tells it. Linux is
# asked for the process's own (VmHWM): its `ru_maxrss` begins with that of the process that started it.
_CHECK_ONCE = """
import sys
from pathlib import Path
from idverify.verification.verifier import Verifier
Verifier(policy=sys.argv[3]).check(sys.argv[1], sys.argv[2])
if sys.platform == "linux":
    lines = Path("/proc/self/status").read_text().splitlines()
    print(next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:")))
elif sys.platform == "darwin":
    import resource
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
else:
    print(0)
"""


def _best(rounds: int, run: Callable[[], object], *, span_s: float = 0.0) -> float:
    """Seconds of the fastest round: noise only ever adds. A round repeats until `span_s` is over and gives the mean."""
    times = []
    for _ in range(rounds):
        start, runs = time.perf_counter(), 0
        while runs == 0 or time.perf_counter() - start < span_s:
            run()
            runs += 1
        times.append((time.perf_counter() - start) / runs)
    return min(times)


def speed_figures(video: Path, reference: Path, *, policy: str = "ial2", rounds: int = 3) -> Figures:
    """Times of the whole check and its stages, and their ratios to both baselines.

    Parameters
    ----------
    video, reference
        A clip and a photo that can be checked.
    policy
    rounds
        How often everything is repeated, at least once; the fastest counts.

    Raises
    ------
    ParameterError
        No rounds.
    IdverifyError
        The media, the models or the policy cannot be used.
    """
    if rounds < 1:
        raise ParameterError(f"rounds: expected at least 1, got {rounds}")
    from idverify.verification.verifier import Verifier

    verifier = Verifier(policy=policy)
    stages = [verifier.check(video, reference).timing_ms]  # warms up; this round counts only if it was the fastest
    check_s = _best(rounds, lambda: stages.append(verifier.check(video, reference).timing_ms))
    seconds = verifier.policy.limits.max_duration_s
    # As long as the check: a baseline that fits between two interruptions would have the luck that a check cannot have.
    decode_s = _best(rounds, lambda: _decode(video, seconds, to_rgb=False), span_s=check_s)
    loop_s = _best(rounds, lambda: _decode(video, seconds, to_rgb=True), span_s=check_s)
    figures = {
        "decode_s": Figure.exactly(decode_s, "s"),
        "loop_s": Figure.exactly(loop_s, "s"),
        "check_s": Figure.exactly(check_s, "s"),
        "check_over_decode": Figure.exactly(check_s / decode_s),
        "check_over_loop": Figure.exactly(check_s / loop_s),
    }
    for stage in sorted({name for row in stages for name in row} - {"models"}):
        fastest = min(row[stage] for row in stages if stage in row) / 1e3
        figures[f"{stage}_over_decode"] = Figure.exactly(fastest / decode_s)
    return figures


def _decode(video: Path, max_duration_s: float, *, to_rgb: bool) -> int:
    """Decode with all threads, as a player does, up to what a check would look at."""
    frames = 0
    with av.open(str(video)) as container:
        stream = container.streams.video[0]
        stream.thread_type = "AUTO"
        for frame in container.decode(stream):
            if frame.time is not None and frame.time > max_duration_s:
                break
            if to_rgb:
                frame.to_ndarray(format="rgb24")
            frames += 1
    return frames


def process_figures(video: Path, reference: Path, *, check_s: float, policy: str = "ial2", rounds: int = 3) -> Figures:
    """Memory and start-up of fresh processes.

    Parameters
    ----------
    check_s
        A warm check of the same clip, from :func:`speed_figures`.

    Raises
    ------
    ParameterError
        A fresh process cannot check the clip.
    """
    outputs: list[str] = []
    bare = _best(rounds, lambda: _python("pass"))
    imported = _best(rounds, lambda: _python("import idverify"))
    cold = _best(rounds, lambda: outputs.append(_python(_CHECK_ONCE, str(video), str(reference), policy)))
    import_s, cold_start_s = max(0.0, imported - bare), max(0.0, cold - bare - check_s)
    figures = {
        "import_s": Figure.exactly(import_s, "s"),
        "import_over_python": Figure.exactly(import_s / bare),
        "cold_start_s": Figure.exactly(cold_start_s, "s"),
        "cold_start_over_check": Figure.exactly(cold_start_s / check_s),
    }
    peak = max(float(text) for text in outputs)
    if peak > 0:
        figures["peak_memory_mb"] = Figure.exactly(peak / 2**20, "MB")
    return figures


def _python(code: str, *arguments: str) -> str:
    """Run code in a fresh Python with the same module path; give what it prints."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    command = [sys.executable, "-c", code, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    if done.returncode != 0:
        last = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
        raise ParameterError(f"a fresh process could not do its part of the benchmark: {last}")
    return done.stdout.strip()


def accuracy_figures(report: Mapping[str, Any]) -> Figures:
    """Rates of an evaluation's ``report.json`` under flat names, with their intervals.

    Rates without trials are left out: a gate on them is broken, not passed.
    """
    transactions, comparison = report["transactions"], report["comparison"]
    liveness = report["liveness"].get("at_policy", {})
    rates = {
        "frr": transactions["frr"],
        "far": transactions["far"],
        "fta": transactions["fta"],
        "fmr_at_policy": comparison["fmr_at_policy"],
        "fnmr_at_policy": comparison["fnmr_at_policy"],
        "bpcer": liveness.get("bpcer"),
        "bpnrr": liveness.get("bpnrr"),
        "iapar_worst": transactions["iapar"].get(transactions.get("iapar_worst")),
        "apcer_worst": liveness.get("apcer", {}).get(liveness.get("apcer_worst")),
    }
    figures = {
        f"accuracy.{name}": Figure(value=rate["rate"], low=rate["low"], high=rate["high"], text=rate["text"])
        for name, rate in rates.items()
        if rate and rate["trials"]
    }
    numbers = {"comparison": comparison, "liveness": report["liveness"], "confidence": report["confidence"]}
    for section, values in numbers.items():
        for name in ("cllr", "ece", "brier"):
            if name in values:
                figures[f"accuracy.{section}_{name}"] = Figure.exactly(values[name])
    return figures
