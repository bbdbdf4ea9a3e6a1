"""YuNet as a plain float32 ONNX file for pictures of any size.

Goal: dequantise the file of the OpenCV model zoo once, free its batch, height and width (multiples of 32), and take
R, G, B where the original takes B, G, R.

Input ``image_rgb`` uint8 [n, h, w, 3]; outputs, as in the original, ``cls_8``, ``cls_16``, ``cls_32``, ``obj_*``,
``bbox_*``, ``kps_*`` float32 [n, cells, 1 | 1 | 4 | 10] for cells of 8, 16 and 32 pixels, row by row.

Public items: :func:`convert`.

Sources: Wu et al. 2023, YuNet, doi:10.1007/s11633-023-1423-y; OpenCV model zoo,
``face_detection_yunet_2023mar_int8bq.onnx``.
"""

from __future__ import annotations

import numpy as np

from idverify.conversion.builder import GraphBuilder
from idverify.conversion.onnx_file import read_onnx
from idverify.conversion.quantised import dequantise

__all__ = ["convert"]


def convert(source: bytes) -> bytes:
    """Convert the model zoo's file.

    Parameters
    ----------
    source : bytes
        ``face_detection_yunet_2023mar_int8bq.onnx``.

    Returns
    -------
    bytes
        An ONNX model.

    Raises
    ------
    ValueError
        The file is not that network.
    """
    original = dequantise(read_onnx(source))
    if [value.name for value in original.inputs] != ["input"] or len(original.outputs) != 12:
        raise ValueError("not the YuNet network of March 2023")
    graph = GraphBuilder("yunet_2023mar")
    names = {"input": graph.image_input(None), "": ""}
    first, *_ = original.nodes
    declared = {value.name for value in original.outputs}
    for node in original.nodes:
        for name in node.inputs:
            if name not in names:
                array = original.constants[name]
                if name == first.inputs[1]:
                    array = np.ascontiguousarray(array[:, ::-1])
                elif node.op_type == "Reshape":
                    # A zero keeps the batch dimension.
                    array = np.array([0, *array[1:]], dtype=np.int64)
                names[name] = graph.constant(array)
        (result,) = node.outputs
        names[result] = graph.op(
            node.op_type,
            *(names[name] for name in node.inputs),
            output=result if result in declared else None,
            **node.attributes,
        )
    for value in original.outputs:
        graph.output(value.name, ("n", value.name.replace("_", "_cells_"), value.shape[2]))
    return graph.build()
