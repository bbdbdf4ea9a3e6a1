"""Write the trained network as ONNX, its batch norms folded, and print what the manifest needs.

    python models/training/recapture/export.py DIR/net_all.pt models/recapture.onnx

Input uint8 [shape=(n, 96, 192, 3)], RGB: the tight view with the wide one at its right, one picture as every model of the manifest takes it. The
graph is written node by node: it needs no exporter, and the same weights give the same bytes.
"""

from __future__ import annotations

import argparse
import hashlib
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper

from net import Block, RecaptureNet


class Graph:
    """Nodes and constants on their way to a model."""

    def __init__(self):
        self.nodes, self.constants = [], []

    def constant(self, value, kind=np.float32):
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(value, kind), name))
        return name

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
        return self.add("Conv", x, self.constant(weight.detach()), self.constant(bias.detach()), pads=[pad] * 4, strides=list(conv.stride))

    def linear(self, x, layer):
        return self.add("Gemm", x, self.constant(layer.weight.detach()), self.constant(layer.bias.detach()), transB=1)

    def block(self, x, block):
        y = self.conv(self.add("Relu", self.conv(x, block.first)), block.second)
        mean = self.add("Flatten", self.add("GlobalAveragePool", y))
        gate = self.add("Sigmoid", self.linear(self.add("Relu", self.linear(mean, block.gate[0])), block.gate[2]))
        gate = self.add("Reshape", gate, self.constant([0, -1, 1, 1], np.int64))
        return self.add("Relu", self.add("Add", x, self.add("Mul", y, gate)))


def build(net):
    """The ONNX model of a trained network; the teacher's heads stay behind."""
    graph = Graph()
    x = graph.add("Reshape", "image_rgb", graph.constant([-1, 96, 2, 96, 3], np.int64))
    x = graph.add("Reshape", graph.add("Transpose", x, perm=[0, 2, 4, 1, 3]), graph.constant([-1, 3, 96, 96], np.int64))
    x = graph.add("Cast", x, to=TensorProto.FLOAT)
    x = graph.add("Mul", graph.add("Sub", x, graph.constant(127.5)), graph.constant(1 / 64))
    for part in net.trunk:
        if isinstance(part, Block):
            x = graph.block(x, part)
        elif isinstance(part, torch.nn.ReLU):
            x = graph.add("Relu", x)
        else:
            x = graph.conv(x, part)
    pooled = [graph.add("Flatten", graph.add(op, x)) for op in ("GlobalAveragePool", "GlobalMaxPool")]
    x = graph.add("Reshape", graph.add("Concat", *pooled, axis=1), graph.constant([-1, 2, net.heads.shape[1]], np.int64))
    x = graph.add("ReduceSum", graph.add("Mul", x, graph.constant(net.heads[None, :, :, 0].detach())), graph.constant([2], np.int64), keepdims=0)
    graph.add("Add", x, graph.constant(net.biases[None, :, 0].detach()), output="logits")
    views = helper.make_tensor_value_info("image_rgb", TensorProto.UINT8, ["n", 96, 192, 3])
    logits = helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["n", 2])
    proto = helper.make_graph(graph.nodes, "recapture", [views], [logits], graph.constants)
    model = helper.make_model(proto, opset_imports=[helper.make_opsetid("", 17)], producer_name="idverify", ir_version=8)
    onnx.checker.check_model(model, full_check=True)
    return model


def main():
    import onnxruntime as ort

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("weights", type=Path)
    parser.add_argument("output", type=Path)
    args = parser.parse_args()
    net = RecaptureNet().eval()
    net.load_state_dict(torch.load(args.weights, weights_only=True))
    data = build(net).SerializeToString(deterministic=True)
    probe = np.random.default_rng(0).integers(0, 256, (5, 2, 96, 96, 3), np.uint8)
    found = ort.InferenceSession(data, providers=["CPUExecutionProvider"]).run(None, {"image_rgb": np.concatenate([probe[:, 0], probe[:, 1]], axis=2)})[0]
    with torch.no_grad():
        expected = net(torch.from_numpy(probe))[:, :, 0].numpy()
    worst = float(np.abs(found - expected).max())
    if worst > 1e-3:
        raise SystemExit(f"the graph differs from the network by {worst}")
    args.output.write_bytes(data)
    print(f"{args.output}: {len(data)} bytes, sha256 {hashlib.sha256(data).hexdigest()}, largest difference {worst:.1e}")


if __name__ == "__main__":
    main()
