"""The public surface: its names are pinned, importing is cheap and changes nothing."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from pathlib import Path

import pytest

import idverify
from idverify import errors

# Seconds for `import idverify` beyond starting Python; the bar on a quiet machine is 0.3 s.
IMPORT_BAR_S = 0.3
# Machines that run tests are slow, shared, or both.
PATIENCE = 3.0
HEAVY = ("cv2", "av", "onnxruntime", "PIL", "numpy", "scipy", "matplotlib", "click", "rich", "platformdirs")


def python(code: str, *options: str) -> subprocess.CompletedProcess[str]:
    source = str(Path(idverify.__file__).parents[1])
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([source, os.environ.get("PYTHONPATH", "")])}
    command = [sys.executable, *options, "-c", code]
    return subprocess.run(command, capture_output=True, text=True, env=environment, timeout=120, check=True)


def test_the_public_names_are_these():
    assert idverify.__all__ == [
        "Decision",
        "DecisionPolicy",
        "IdverifyError",
        "Outcome",
        "Reason",
        "Verifier",
        "__version__",
        "assess_liveness",
        "check",
        "compare",
        "load_photo",
        "load_policy",
        "open_recording",
    ]


def test_every_public_name_is_there_and_documented():
    for name in idverify.__all__:
        value = getattr(idverify, name)
        assert name in dir(idverify)
        assert name == "__version__" or value.__doc__


def test_a_name_that_is_not_there_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'verify_everything'"):
        _ = idverify.verify_everything
    assert not hasattr(idverify, "np")


def test_the_tree_of_errors():
    for name in errors.__all__:
        error = getattr(errors, name)
        assert issubclass(error, errors.IdverifyError)
        assert error.__doc__
    assert issubclass(errors.MediaError, ValueError)
    assert issubclass(errors.MediaNotFoundError, FileNotFoundError)
    assert issubclass(errors.ModelError, RuntimeError)
    assert issubclass(errors.ModelMissingError, FileNotFoundError)
    for builtin in (errors.CalibrationError, errors.PolicyError, errors.ParameterError):
        assert issubclass(builtin, ValueError)


IMPORT_AND_LOOK = """
import json, os, signal, sys, threading, warnings
import logging

def state():
    return {
        "environment": dict(os.environ),
        "warnings": repr(warnings.filters),
        "signals": [repr(signal.getsignal(s)) for s in signal.valid_signals()],
        "threads": threading.active_count(),
        "folder": os.getcwd(),
        "loggers": [repr(h) for h in logging.getLogger().handlers],
        "hooks": [repr(sys.excepthook), repr(sys.displayhook)],
        "path": list(sys.path),
    }

opened = []
sys.addaudithook(lambda event, args: opened.append(event) if event.startswith("socket.") else None)
before = state()
import idverify
after = state()
print(json.dumps({"same": before == after, "opened": opened, "loaded": sorted({m.split(".")[0] for m in sys.modules})}))
"""


def test_importing_changes_nothing_and_loads_nothing_heavy():
    seen = json.loads(python(IMPORT_AND_LOOK).stdout)
    assert seen["same"]
    assert seen["opened"] == []
    assert not set(HEAVY) & set(seen["loaded"])


def test_importing_everything_behind_it_opens_no_socket_and_changes_nothing_either():
    code = IMPORT_AND_LOOK.replace("import idverify\n", "from idverify import *\nimport idverify.cli\n")
    seen = json.loads(python(code).stdout)
    assert seen["opened"] == []
    assert "tensorflow" not in seen["loaded"]
    assert "torch" not in seen["loaded"]


def test_importing_prints_nothing_and_warns_of_nothing():
    done = python("import idverify; idverify.check, idverify.Verifier", "-W", "error")
    assert (done.stdout, done.stderr) == ("", "")


def test_importing_takes_less_than_the_bar():
    code = "import time; t = time.perf_counter(); import idverify; print(time.perf_counter() - t)"
    seconds = statistics.median(float(python(code).stdout) for _ in range(5))
    assert seconds < IMPORT_BAR_S * PATIENCE


def test_what_a_check_does_not_need_is_not_loaded_for_it():
    """Drawing on a terminal, and walls, belong to those who ask for them."""
    code = "import sys, idverify.cli.check, idverify.report.words, idverify.verification.verifier; print(*sys.modules)"
    loaded = set(python(code).stdout.split())
    assert "idverify.pad.panel" in loaded
    assert not {"rich", "matplotlib", "tflite", "idverify.isolation.process"} & loaded
