"""Train the network that sees what hides nose and mouth, and write it as ONNX.

    python models/training/occlusion/train.py DIR -o models/occlusion.onnx

DIR holds the chips of ``data.py``. Half of a batch are bare faces and faces with something elsewhere. Prints what the manifest needs and how the test half
does; the operating point is chosen on bare faces of the fit half, by the threshold in ``idverify.faces.quality``.
"""

from __future__ import annotations

import argparse
import hashlib
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn

SIDE_PX, WIDTHS = 48, (24, 48, 48, 96, 96)
STRIDES = (2, 2, 1, 2, 1)


class Net(nn.Module):
    """uint8 [shape=(n, 48, 48, 3)], RGB, to logits of (nose covered, mouth covered)."""

    def __init__(self):
        super().__init__()
        widths = (3, *WIDTHS)
        self.convs = nn.ModuleList(
            nn.Conv2d(a, b, 3, stride=s, padding=1, bias=False) for a, b, s in zip(widths, widths[1:], STRIDES)
        )
        self.norms = nn.ModuleList(nn.BatchNorm2d(b) for b in WIDTHS)
        # Places matter: the chip is aligned, so what is left of the picture is not averaged away.
        self.head = nn.Linear(WIDTHS[-1] * 36, 2)
        self.drop = nn.Dropout(0.4)

    def forward(self, x):
        x = (x.permute(0, 3, 1, 2).float() - 127.5) / 64
        for conv, norm in zip(self.convs, self.norms):
            x = torch.relu(norm(conv(x)))
        return self.head(self.drop(x.flatten(1)))


def load(folder, name):
    parts = [np.load(path) for path in sorted(folder.glob(f"{name}_[0-9]*.npz"))]
    return {key: np.concatenate([part[key] for part in parts]) for key in parts[0].files}


def varied(rng, x):
    """Mirrored, moved, turned, lit and tinted, and noisy; one affine map a batch item."""
    n = len(x)
    x = x.float()
    angle, zoom = torch.tensor(rng.normal(0, 0.06, n)), torch.tensor(np.exp(rng.normal(0, 0.05, n)))
    flip = torch.tensor(rng.choice([-1.0, 1.0], n))
    shift = torch.tensor(rng.normal(0, 0.05, (n, 2)))
    theta = torch.stack(
        [
            torch.stack([flip * zoom * torch.cos(angle), -zoom * torch.sin(angle), shift[:, 0]], 1),
            torch.stack([flip * zoom * torch.sin(angle), zoom * torch.cos(angle), shift[:, 1]], 1),
        ],
        1,
    ).float()
    x = x.permute(0, 3, 1, 2)
    x = nn.functional.grid_sample(
        x, nn.functional.affine_grid(theta, x.shape, align_corners=False), padding_mode="border", align_corners=False
    )
    gamma = torch.tensor(np.exp(rng.normal(0, 0.25, n))).float()[:, None, None, None]
    x = 255 * (x.clamp(0, 255) / 255) ** gamma
    x = (
        x
        * torch.tensor(np.exp(rng.normal(0, 0.12, (n, 3)))).float()[:, :, None, None]
        * torch.tensor(np.exp(rng.normal(0, 0.15, n))).float()[:, None, None, None]
    )
    grey = torch.tensor(rng.random(n) < 0.1)[:, None, None, None]
    x = torch.where(grey, x.mean(1, keepdim=True).expand_as(x), x)
    soft = torch.tensor(rng.random(n) < 0.2)[:, None, None, None]
    x = torch.where(soft, nn.functional.avg_pool2d(x, 3, 1, 1), x)
    x = x + torch.randn_like(x) * torch.tensor(rng.uniform(0, 8, n)).float()[:, None, None, None]
    return x.clamp(0, 255).permute(0, 2, 3, 1)


def train(data, epochs, seed=0):
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    chips, labels = (
        torch.from_numpy(data["chips"]),
        torch.from_numpy(np.stack([data["nose"], data["mouth"]], 1)).float(),
    )
    covered = np.flatnonzero(data["mouth"] + data["nose"] > 0)
    bare = np.flatnonzero((data["kind"] == "bare"))
    others = np.flatnonzero((data["mouth"] <= 0) & (data["nose"] <= 0) & (data["kind"] != "bare"))
    net = Net()
    steps = epochs * len(data["chips"]) // 96
    optimizer = torch.optim.AdamW(net.parameters(), lr=3e-3, weight_decay=0.02)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 4e-3, total_steps=steps)
    total = 0.0
    for step in range(steps):
        pick = np.concatenate([rng.choice(covered, 40), rng.choice(bare, 36), rng.choice(others, 20)])
        x, y = varied(rng, chips[pick]), labels[pick]
        asked = (y >= 0).float()
        loss = (
            nn.functional.binary_cross_entropy_with_logits(net(x), y.clamp(0) * 0.98 + 0.01, reduction="none") * asked
        ).sum() / asked.sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        total = 0.99 * total + 0.01 * loss.item() if step else loss.item()
        if step % 200 == 0:
            print(f"{step}/{steps} loss {total:.4f}", flush=True)
    return net.eval()


def build(net):
    """The same walk in ONNX nodes, batch norms folded; 16-bit weights."""
    nodes, constants = [], []

    def constant(value, kind=np.float32):
        name = f"c{len(constants)}"
        value = np.asarray(value.detach() if isinstance(value, torch.Tensor) else value)
        half = kind is np.float32 and value.size > 1
        constants.append(numpy_helper.from_array(np.ascontiguousarray(value, np.float16 if half else kind), name))
        return add("Cast", name, to=TensorProto.FLOAT) if half else name

    def add(op, *inputs, **attributes):
        name = attributes.pop("output", f"n{len(nodes)}")
        nodes.append(helper.make_node(op, list(inputs), [name], **attributes))
        return name

    x = add("Cast", add("Transpose", "image_rgb", perm=[0, 3, 1, 2]), to=TensorProto.FLOAT)
    x = add("Mul", add("Sub", x, constant(127.5)), constant(1 / 64))
    for conv, norm in zip(net.convs, net.norms):
        gain = norm.weight / torch.sqrt(norm.running_var + norm.eps)
        weight, bias = conv.weight * gain[:, None, None, None], norm.bias - norm.running_mean * gain
        x = add("Relu", add("Conv", x, constant(weight), constant(bias), pads=[1] * 4, strides=list(conv.stride)))
    add("Gemm", add("Flatten", x), constant(net.head.weight), constant(net.head.bias), transB=1, output="logits")
    image = helper.make_tensor_value_info("image_rgb", TensorProto.UINT8, ["n", SIDE_PX, SIDE_PX, 3])
    found = helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["n", 2])
    proto = helper.make_graph(nodes, "occlusion", [image], [found], constants)
    model = helper.make_model(
        proto, opset_imports=[helper.make_opsetid("", 17)], producer_name="idverify", ir_version=8
    )
    onnx.checker.check_model(model, full_check=True)
    return model


def main():
    import onnxruntime as ort

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("set", type=Path)
    parser.add_argument("--epochs", type=int, default=20)
    parser.add_argument("-o", "--output", type=Path, required=True)
    args = parser.parse_args()
    net = train(load(args.set, "fit"), args.epochs)
    data = build(net).SerializeToString(deterministic=True)
    test = load(args.set, "test")
    session = ort.InferenceSession(data, providers=["CPUExecutionProvider"])
    logits = np.concatenate(
        [session.run(None, {"image_rgb": test["chips"][k : k + 256]})[0] for k in range(0, len(test["chips"]), 256)]
    )
    with torch.no_grad():
        worst = float(np.abs(net(torch.from_numpy(test["chips"][:256])).numpy() - logits[:256]).max())
    if worst > 0.1:
        raise SystemExit(f"the graph differs from the network by {worst}")
    args.output.write_bytes(data)
    print(
        f"{args.output}: {len(data)} bytes, sha256 {hashlib.sha256(data).hexdigest()}, largest difference {worst:.1e}"
    )


if __name__ == "__main__":
    main()
