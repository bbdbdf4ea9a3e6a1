"""The two MiniFASNet nets of minivision-ai/Silent-Face-Anti-Spoofing (Apache-2.0), run from their tensors: teacher and peer.

The graph is read off the state dict: the groups and sizes of a convolution are those of its weights, and only the strides and the places
of the sums are written down here. Input as its authors feed it: 80 x 80, BGR, 0..255 as they are, cut 2.7 and 4.0 times the face box
and shifted, not clipped, at the borders of the picture. Class 1 of 3 is bona fide.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import torch
import torch.nn.functional as F

SIDE = 80
FILES = ((2.7, "2.7_80x80_MiniFASNetV2.pth"), (4.0, "4_0_0_80x80_MiniFASNetV1SE.pth"))
BONA_FIDE_CLASS = 1


def shifted_box(size_wh, bbox_xyxy, scale):
    """The box enlarged about its middle, as far as the picture allows, and moved inside it; whole pixels, end included."""
    (width, height), (x0, y0, x1, y1) = size_wh, bbox_xyxy
    w, h = x1 - x0, y1 - y0
    scale = min((height - 1) / h, (width - 1) / w, scale)
    new, middle = np.array([w, h]) * scale, np.array([x0 + x1, y0 + y1]) / 2
    low = middle - new / 2
    low = np.clip(low, 0, np.maximum(np.array([width, height]) - 1 - new, 0))
    return (*low.astype(int), *(low + new).astype(int))


def crop(image_rgb, bbox_xyxy, scale):
    left, top, right, bottom = shifted_box(image_rgb.shape[1::-1], bbox_xyxy, scale)
    return cv2.resize(image_rgb[top : bottom + 1, left : right + 1, ::-1], (SIDE, SIDE))


class Net:
    """One net, from its file."""

    def __init__(self, path):
        state = torch.load(path, map_location="cpu", weights_only=True)
        self.w = {key.removeprefix("module."): value for key, value in state.items()}

    def _conv(self, x, name, stride=1, padding=None):
        weight = self.w[f"{name}.weight"]
        groups = x.shape[1] // weight.shape[1]
        return F.conv2d(x, weight, None, stride, weight.shape[-1] // 2 if padding is None else padding, 1, groups)

    def _norm(self, x, name):
        w = self.w
        return F.batch_norm(x, *(w[f"{name}.{part}"] for part in ("running_mean", "running_var", "weight", "bias")))

    def _block(self, x, name, stride=1, padding=None):
        x = self._norm(self._conv(x, f"{name}.conv", stride, padding), f"{name}.bn")
        slope = self.w.get(f"{name}.prelu.weight")
        return x if slope is None else F.prelu(x, slope)

    def _depth_wise(self, x, name, stride=1):
        y = self._block(self._block(self._block(x, f"{name}.conv"), f"{name}.conv_dw", stride), f"{name}.project")
        if f"{name}.se_module.fc1.weight" in self.w:
            se = f"{name}.se_module"
            gate = F.relu(self._norm(self._conv(y.mean((2, 3), keepdim=True), f"{se}.fc1"), f"{se}.bn1"))
            y = y * torch.sigmoid(self._norm(self._conv(gate, f"{se}.fc2"), f"{se}.bn2"))
        return y

    def _residual(self, x, name):
        depth = 0
        while f"{name}.model.{depth}.conv.conv.weight" in self.w:
            x = x + self._depth_wise(x, f"{name}.model.{depth}")
            depth += 1
        return x

    def logits(self, x):
        """Logits of the three classes of BGR pictures float32 [shape=(n, 3, 80, 80)], 0..255."""
        x = self._block(self._block(x, "conv1", 2), "conv2_dw")
        x = self._residual(self._depth_wise(x, "conv_23", 2), "conv_3")
        x = self._residual(self._depth_wise(x, "conv_34", 2), "conv_4")
        x = self._residual(self._depth_wise(x, "conv_45", 2), "conv_5")
        x = self._block(self._block(x, "conv_6_sep"), "conv_6_dw", 1, 0).flatten(1)
        return self._norm(x @ self.w["linear.weight"].T, "bn") @ self.w["prob.weight"].T

    @torch.no_grad()
    def __call__(self, crops_bgr):
        """Probability of bona fide of crops uint8 [shape=(n, 80, 80, 3)]."""
        x = torch.from_numpy(np.ascontiguousarray(crops_bgr.transpose(0, 3, 1, 2))).float()
        return torch.softmax(self.logits(x), 1)[:, BONA_FIDE_CLASS].numpy()


class MiniFASNet:
    """Both nets, their probabilities averaged as their authors do."""

    def __init__(self, folder):
        self.nets = [(scale, Net(Path(folder) / file)) for scale, file in FILES]

    def __call__(self, pictures):
        """Probability of bona fide of ``(image_rgb, face bbox_xyxy)`` pairs."""
        return self.answers(np.stack([[crop(im, box, scale) for scale, _ in self.nets] for im, box in pictures]))

    def answers(self, crops_bgr):
        """Probability of bona fide of crops uint8 [shape=(n, 2, 80, 80, 3)], cut 2.7 and 4.0 times the face box."""
        return np.mean([net(crops_bgr[:, k]) for k, (_, net) in enumerate(self.nets)], axis=0)
