"""ONNX Runtime, loaded so that it tells nobody about it.

From 1.29 on, the official builds for Linux and macOS report sessions to their maker and keep an identifier and a queue
of reports in the user's cache folder. They decide once, when the library starts, so the word that turns this off has to
be in the environment before the first import in a process (docs/Privacy.md of ONNX Runtime; pull request 27379).

Public items: :func:`load_engine`.
"""

from __future__ import annotations

import os
from typing import Any

__all__ = ["load_engine"]

_OPT_OUT = "ORT_DISABLE_TELEMETRY"


def load_engine() -> Any:
    """Import ONNX Runtime with its reports turned off, and return the module.

    Where the program around has imported it before, only what it offers later is left: the events are turned off, and
    what it said at its start cannot be taken back.

    Raises
    ------
    ImportError
        It is not installed, or does not load here.
    """
    # Whatever the environment says: a person before the camera has not agreed to reports.
    os.environ[_OPT_OUT] = "1"
    import onnxruntime

    onnxruntime.disable_telemetry_events()
    return onnxruntime
