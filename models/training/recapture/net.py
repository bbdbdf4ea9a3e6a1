"""The two halves of the recapture network. Every logit speaks for bona fide against attack; a frame's logit is a weighted sum of all five.

``ViewNet`` looks at the face: uint8 [shape=(n, 3, 96, 96, 3)], RGB, the tight and the wide view and the scene; float32 [shape=(n, 3)], a logit per view. One
small trunk for all views, a linear head for each, trained from scratch. A second pair of heads, for training only, imitates the teacher.

``SettingNet`` looks at what the face is in: uint8 [shape=(n, 2, 80, 80, 3)], RGB, 2.7 and 4.0 times the face; float32 [shape=(n, 2)]. Both nets start from
MiniFASNet of minivision-ai/Silent-Face-Anti-Spoofing (Apache-2.0), and every convolution of them is trained further.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from minifasnet import BONA_FIDE_CLASS, FILES, Net

WIDTHS = (16, 24, 48, 96)
VIEWS = 3


def conv(n_in, n_out, kernel=3, stride=1):
    return nn.Sequential(nn.Conv2d(n_in, n_out, kernel, stride, kernel // 2, bias=False), nn.BatchNorm2d(n_out))


class Block(nn.Module):
    """Two convolutions, the channels weighed by what the whole picture shows (Hu et al. 2018), added to the input."""

    def __init__(self, n):
        super().__init__()
        self.first, self.second = conv(n, n), conv(n, n)
        self.gate = nn.Sequential(nn.Linear(n, n // 4), nn.ReLU(), nn.Linear(n // 4, n), nn.Sigmoid())

    def forward(self, x):
        y = self.second(torch.relu(self.first(x)))
        return torch.relu(x + y * self.gate(y.mean((2, 3)))[:, :, None, None])


class ViewNet(nn.Module):
    """See the module."""

    def __init__(self):
        super().__init__()
        a, b, c, d = WIDTHS
        self.trunk = nn.Sequential(
            conv(3, a, 5, 2), nn.ReLU(), conv(a, b, 3, 2), nn.ReLU(), Block(b), conv(b, c, 3, 2), nn.ReLU(), Block(c), conv(c, d, 3, 2), nn.ReLU(), Block(d)
        )
        self.drop = nn.Dropout(0.3)
        # Per view: the label's logit and the teacher's.
        self.heads = nn.Parameter(torch.zeros(VIEWS, 2 * d, 2))
        self.biases = nn.Parameter(torch.zeros(VIEWS, 2))

    def forward(self, views):
        """Logits float32 [shape=(n, 3 views, 2: label and teacher)]."""
        n = views.shape[0]
        x = (views.flatten(0, 1).permute(0, 3, 1, 2).float() - 127.5) / 64.0
        x = self.trunk(x)
        # A clue fills the picture (mean) or sits in one place (maximum).
        x = self.drop(torch.cat([x.mean((2, 3)), x.amax((2, 3))], 1)).view(n, VIEWS, -1)
        return torch.einsum("nvd,vdk->nvk", x, self.heads) + self.biases


class SettingNet(nn.Module):
    """See the module. The statistics of its batch norms stay as they were; `start` is the folder of the two MiniFASNet files."""

    def __init__(self, start):
        super().__init__()
        self.nets = [Net(Path(start) / file) for _, file in FILES]
        for k, net in enumerate(self.nets):
            for name, value in net.w.items():
                if not value.is_floating_point() or "running" in name:
                    continue
                if name == "conv1.conv.weight":  # they take BGR
                    value = value.flip(1)
                net.w[name] = nn.Parameter(value.clone())
                self.register_parameter(f"{k}_{name.replace('.', '_')}", net.w[name])

    def forward(self, settings):
        """Logits float32 [shape=(n, 2 settings)]."""
        x = settings.permute(0, 1, 4, 2, 3).float()
        classes = [net.logits(x[:, k].contiguous(memory_format=torch.channels_last)) for k, net in enumerate(self.nets)]
        return torch.stack([bona_fide_logit(c) for c in classes], 1)


def bona_fide_logit(classes):
    """Of the bona fide class against the other two."""
    others = [k for k in range(classes.shape[1]) if k != BONA_FIDE_CLASS]
    return classes[:, BONA_FIDE_CLASS] - torch.logsumexp(classes[:, others], 1)
