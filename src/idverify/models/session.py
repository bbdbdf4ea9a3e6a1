"""One thin inference session around ONNX Runtime.

Goal: the only way to run a model. A session is made from a hash-checked file, takes what the manifest's contract says
and nothing else, may be used by many threads at once, and gives the same numbers for the same input.

Conventions: input and outputs are arrays with the batch first. ONNX Runtime is imported when the first session is
made.

Public items: :class:`Session`.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from idverify.errors import ModelError, ParameterError
from idverify.models import cores
from idverify.models.engine import load_engine
from idverify.models.manifest import ModelSpec, load_bytes, spec

__all__ = ["Session"]

# Items per call of the engine. More make no item faster (they leave the caches), and SFace's intermediate pictures take
# about 15 MB an item: 32 at once would double the memory of a whole verification.
_MAX_ITEMS = 4
# More threads than this per picture cost more in waiting than they save (benchmarks/speed/test_models_speed.py).
_MAX_THREADS = 4


class Session:
    """A model, ready to run.

    Parameters
    ----------
    model
        Name of a row of the manifest, or the row.
    threads
        Threads that share one run; by default the cores of this process, at most four.
    folder
        Where the file lies; by default :func:`idverify.models.manifest.models_dir`.

    Attributes
    ----------
    spec : ModelSpec
        The row of the manifest: name, version, sha256, licence, contract.

    Raises
    ------
    ModelMissingError, ModelIntegrityError
        The file is not there, or is not the manifest's.
    ModelError
        ONNX Runtime cannot read it.
    """

    __slots__ = ("_pid", "_run", "spec")

    def __init__(self, model: str | ModelSpec, *, threads: int | None = None, folder: Path | None = None) -> None:
        ort = load_engine()
        from onnxruntime.capi import onnxruntime_pybind11_state as state

        self.spec = spec(model) if isinstance(model, str) else model
        options = ort.SessionOptions()
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_ALL
        options.intra_op_num_threads = threads if threads is not None else min(cores.usable(), _MAX_THREADS)
        options.inter_op_num_threads = 1
        options.log_severity_level = 3  # errors only
        # Kept buffers cost 40 MB in a process that checks videos, and save no time that could be measured.
        options.enable_cpu_mem_arena = False
        options.enable_mem_pattern = False
        # Threads that spin while they wait would take the cores from the decoder.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        try:
            session = ort.InferenceSession(load_bytes(self.spec, folder), options, providers=["CPUExecutionProvider"])
        except (state.Fail, state.InvalidGraph, state.InvalidProtobuf, state.NotImplemented) as error:
            raise ModelError(f"ONNX Runtime {ort.__version__} cannot read the model {self.spec.name}") from error
        input_name, outputs = session.get_inputs()[0].name, list(self.spec.outputs)
        self._pid = os.getpid()
        self._run: Any = lambda array: session.run(outputs, {input_name: array})

    def run(self, array: NDArray[Any]) -> tuple[NDArray[np.float32], ...]:
        """Run the model.

        Parameters
        ----------
        array
            As the contract says; for pictures uint8 [shape=(n, h, w, 3)], RGB.

        Returns
        -------
        tuple of float32 arrays
            In the order of ``spec.outputs``, batch first.

        Raises
        ------
        ParameterError
            The array is not what the contract says.
        ModelError
            This process was forked after the model was loaded.
        """
        expected = self.spec.input
        fits = len(array.shape) == len(expected.shape) and all(
            size is None or size == found for size, found in zip(expected.shape, array.shape, strict=True)
        )
        if not fits or array.dtype != np.dtype(expected.dtype) or array.shape[0] == 0:
            sizes = ", ".join("n" if size is None else str(size) for size in expected.shape)
            raise ParameterError(
                f"the model {self.spec.name} takes {expected.dtype} ({sizes}) with at least one item, "
                f"not {array.dtype} {array.shape}"
            )
        # The engine's threads do not live on in a forked process: it would wait for them for ever.
        if os.getpid() != self._pid:
            raise ModelError(
                f"the model {self.spec.name} was loaded before this process was forked: load it in each process, or "
                "start processes by 'spawn'"
            )
        parts = [
            self._run(np.ascontiguousarray(array[at : at + _MAX_ITEMS])) for at in range(0, len(array), _MAX_ITEMS)
        ]
        return tuple(parts[0]) if len(parts) == 1 else tuple(map(np.concatenate, zip(*parts, strict=True)))

    def __repr__(self) -> str:
        return f"Session({self.spec.name!r}, version={self.spec.version!r})"
