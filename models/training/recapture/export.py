"""Put both trained halves into one ONNX file, batch norms folded, and print what the manifest needs.

    python models/training/recapture/export.py DIR --start MINIFASNET_DIR -o models/recapture.onnx

Input uint8 [shape=(n, 96, 448, 3)], RGB: tight and wide view of the face, the scene and two views of the setting side by side
(``idverify.pad.recapture.strip``). Output float32 [shape=(n, 5)]: a logit per view. The graph is written node by node: it needs no exporter, and the same weights give the same
bytes. Weights are stored with 16 bits, and the engine widens them when it loads the file.
"""

from __future__ import annotations

import argparse
import hashlib
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper

from minifasnet import BONA_FIDE_CLASS
from idverify.pad.recapture import SETTING_PX, SIDE_PX, STRIP_PX
from net import VIEWS, Block, SettingNet, ViewNet


class Graph:
    """Nodes and constants on their way to a model."""

    def __init__(self):
        self.nodes, self.constants = [], []

    def constant(self, value, kind=np.float32):
        name = f"c{len(self.constants)}"
        value = np.asarray(value.detach() if isinstance(value, torch.Tensor) else value)
        half = kind is np.float32 and value.size > 1
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(value, np.float16 if half else kind), name))
        return self.add("Cast", name, to=TensorProto.FLOAT) if half else name

    def add(self, op, *inputs, **attributes):
        name = attributes.pop("output", f"n{len(self.nodes)}")
        self.nodes.append(helper.make_node(op, list(inputs), [name], **attributes))
        return name

    def conv(self, x, pair):
        """A convolution with its batch norm folded in."""
        conv, norm = pair[0], pair[1]
        gain = norm.weight / torch.sqrt(norm.running_var + norm.eps)
        weight, bias = conv.weight * gain[:, None, None, None], norm.bias - norm.running_mean * gain
        pad = conv.kernel_size[0] // 2
        return self.add("Conv", x, self.constant(weight), self.constant(bias), pads=[pad] * 4, strides=list(conv.stride))

    def linear(self, x, layer):
        return self.add("Gemm", x, self.constant(layer.weight), self.constant(layer.bias), transB=1)

    def part(self, x, left, width, height):
        """Some columns of the strip, from its upper edge down."""
        begin, end, axes = ([0, left], [height, left + width], [1, 2])
        return self.add("Slice", x, *(self.constant(v, np.int64) for v in (begin, end, axes)))

    def block(self, x, block):
        y = self.conv(self.add("Relu", self.conv(x, block.first)), block.second)
        mean = self.add("Flatten", self.add("GlobalAveragePool", y))
        gate = self.add("Sigmoid", self.linear(self.add("Relu", self.linear(mean, block.gate[0])), block.gate[2]))
        gate = self.add("Reshape", gate, self.constant([0, -1, 1, 1], np.int64))
        return self.add("Relu", self.add("Add", x, self.add("Mul", y, gate)))


class SettingGraph:
    """The walk of ``minifasnet.Net`` in nodes; it has the same names for the same steps."""

    def __init__(self, graph, net):
        self.graph, self.w = graph, net.w

    def _block(self, x, name, stride=1, padding=None):
        w = self.w
        gain = w[f"{name}.bn.weight"] / torch.sqrt(w[f"{name}.bn.running_var"] + 1e-5)
        weight = w[f"{name}.conv.weight"] * gain[:, None, None, None]
        bias = w[f"{name}.bn.bias"] - w[f"{name}.bn.running_mean"] * gain
        pad = weight.shape[-1] // 2 if padding is None else padding
        # Depth-wise exactly where a filter sees one channel of several.
        group = weight.shape[0] if weight.shape[1] == 1 else 1
        y = self.graph.add("Conv", x, self.graph.constant(weight), self.graph.constant(bias), pads=[pad] * 4, strides=[stride] * 2, group=group)
        slope = w.get(f"{name}.prelu.weight")
        if slope is None:
            return y
        if slope.detach().max() > 1:
            raise SystemExit(f"{name}: a slope above 1 needs PRelu")
        # The same up to there, and several times faster than the engine's PRelu.
        return self.graph.add("Max", y, self.graph.add("Mul", y, self.graph.constant(slope[:, None, None])))

    def _squeeze(self, x, name, norm):
        w = self.w
        gain = w[f"{norm}.weight"] / torch.sqrt(w[f"{norm}.running_var"] + 1e-5)
        bias = w[f"{norm}.bias"] - w[f"{norm}.running_mean"] * gain
        return self.graph.add("Conv", x, self.graph.constant(w[f"{name}.weight"] * gain[:, None, None, None]), self.graph.constant(bias))

    def _depth_wise(self, x, name, stride=1):
        y = self._block(self._block(self._block(x, f"{name}.conv"), f"{name}.conv_dw", stride), f"{name}.project")
        se = f"{name}.se_module"
        if f"{se}.fc1.weight" not in self.w:
            return y
        gate = self.graph.add("Relu", self._squeeze(self.graph.add("GlobalAveragePool", y), f"{se}.fc1", f"{se}.bn1"))
        return self.graph.add("Mul", y, self.graph.add("Sigmoid", self._squeeze(gate, f"{se}.fc2", f"{se}.bn2")))

    def _residual(self, x, name):
        depth = 0
        while f"{name}.model.{depth}.conv.conv.weight" in self.w:
            x = self.graph.add("Add", x, self._depth_wise(x, f"{name}.model.{depth}"))
            depth += 1
        return x

    def logit(self, x):
        """Of the bona fide class against the other two, from RGB pictures with the channels first."""
        x = self._block(self._block(x, "conv1", 2), "conv2_dw")
        x = self._residual(self._depth_wise(x, "conv_23", 2), "conv_3")
        x = self._residual(self._depth_wise(x, "conv_34", 2), "conv_4")
        x = self._residual(self._depth_wise(x, "conv_45", 2), "conv_5")
        x = self.graph.add("Flatten", self._block(self._block(x, "conv_6_sep"), "conv_6_dw", 1, 0))
        w = self.w
        gain = w["bn.weight"] / torch.sqrt(w["bn.running_var"] + 1e-5)
        # Linear, batch norm and linear in one.
        matrix = w["prob.weight"] @ (gain[:, None] * w["linear.weight"])
        offset = w["prob.weight"] @ (w["bn.bias"] - w["bn.running_mean"] * gain)
        classes = self.graph.add("Gemm", x, self.graph.constant(matrix), self.graph.constant(offset), transB=1)
        order = [BONA_FIDE_CLASS, *(k for k in range(len(matrix)) if k != BONA_FIDE_CLASS)]
        own, others = (self.graph.add("Gather", classes, self.graph.constant(part, np.int64), axis=1) for part in (order[:1], order[1:]))
        return self.graph.add("Sub", own, self.graph.add("ReduceLogSumExp", others, axes=[1], keepdims=1))


def build(views, setting):
    """The ONNX model of both trained halves; the teacher's heads stay behind."""
    graph = Graph()
    faces = graph.add("Reshape", graph.part("image_rgb", 0, VIEWS * SIDE_PX, SIDE_PX), graph.constant([-1, SIDE_PX, VIEWS, SIDE_PX, 3], np.int64))
    x = graph.add("Reshape", graph.add("Transpose", faces, perm=[0, 2, 4, 1, 3]), graph.constant([-1, 3, SIDE_PX, SIDE_PX], np.int64))
    x = graph.add("Cast", x, to=TensorProto.FLOAT)
    x = graph.add("Mul", graph.add("Sub", x, graph.constant(127.5)), graph.constant(1 / 64))
    for part in views.trunk:
        if isinstance(part, Block):
            x = graph.block(x, part)
        elif isinstance(part, torch.nn.ReLU):
            x = graph.add("Relu", x)
        else:
            x = graph.conv(x, part)
    pooled = [graph.add("Flatten", graph.add(op, x)) for op in ("GlobalAveragePool", "GlobalMaxPool")]
    x = graph.add("Reshape", graph.add("Concat", *pooled, axis=1), graph.constant([-1, VIEWS, views.heads.shape[1]], np.int64))
    x = graph.add("ReduceSum", graph.add("Mul", x, graph.constant(views.heads[None, :, :, 0])), graph.constant([2], np.int64), keepdims=0)
    logits = [graph.add("Add", x, graph.constant(views.biases[None, :, 0]))]
    for k, net in enumerate(setting.nets):
        x = graph.part("image_rgb", VIEWS * SIDE_PX + k * SETTING_PX, SETTING_PX, SETTING_PX)
        x = graph.add("Cast", graph.add("Transpose", x, perm=[0, 3, 1, 2]), to=TensorProto.FLOAT)
        logits.append(SettingGraph(graph, net).logit(x))
    graph.add("Concat", *logits, axis=1, output="logits")
    image = helper.make_tensor_value_info("image_rgb", TensorProto.UINT8, ["n", SIDE_PX, STRIP_PX, 3])
    found = helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["n", VIEWS + len(setting.nets)])
    proto = helper.make_graph(graph.nodes, "recapture", [image], [found], graph.constants)
    model = helper.make_model(proto, opset_imports=[helper.make_opsetid("", 17)], producer_name="idverify", ir_version=8)
    onnx.checker.check_model(model, full_check=True)
    return model


def load_halves(folder, name, start):
    """Both trained halves, without fold `name` or ``"all"``."""
    views, setting = ViewNet().eval(), SettingNet(start).eval()
    views.load_state_dict(torch.load(folder / f"views_{name}.pt", weights_only=True))
    setting.load_state_dict(torch.load(folder / f"setting_{name}.pt", weights_only=True))
    return views, setting


@torch.no_grad()
def run_halves(views, setting, strips):
    """Logits float32 [shape=(n, 5)] of strips uint8 [shape=(n, 96, 448, 3)]."""
    faces = np.stack(np.split(strips[:, :, : VIEWS * SIDE_PX], VIEWS, axis=2), axis=1)
    around = np.stack(np.split(strips[:, :SETTING_PX, VIEWS * SIDE_PX :], 2, axis=2), axis=1)
    parts = views(torch.from_numpy(np.ascontiguousarray(faces)))[:, :, 0], setting(torch.from_numpy(np.ascontiguousarray(around)))
    return torch.cat(parts, 1).numpy()


def main():
    import onnxruntime as ort

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("set", type=Path, help="folder of the trained halves")
    parser.add_argument("--start", type=Path, required=True, help="folder of the two MiniFASNet files")
    parser.add_argument("--name", default="all", help="which training: all, or the fold left out")
    parser.add_argument("-o", "--output", type=Path, required=True)
    args = parser.parse_args()
    halves = load_halves(args.set, args.name, args.start)
    data = build(*halves).SerializeToString(deterministic=True)
    probe = np.random.default_rng(0).integers(0, 256, (5, SIDE_PX, STRIP_PX, 3), np.uint8)
    found = ort.InferenceSession(data, providers=["CPUExecutionProvider"]).run(None, {"image_rgb": probe})[0]
    # What 16 bits leave of the weights moves a logit by some hundredths.
    worst = float(np.abs(found - run_halves(*halves, probe)).max())
    if worst > 0.1:
        raise SystemExit(f"the graph differs from the networks by {worst}")
    args.output.write_bytes(data)
    print(f"{args.output}: {len(data)} bytes, sha256 {hashlib.sha256(data).hexdigest()}, largest difference {worst:.1e}")


if __name__ == "__main__":
    main()
