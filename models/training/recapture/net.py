"""The recapture network: one small trunk for both views, a linear head for each.

Input uint8 [shape=(n, 2, 96, 96, 3)], RGB: tight and wide view of one face. Output float32 [shape=(n, 2)]: a logit per view; their sum is the
logit of bona fide against attack. A second pair of heads, for training only, imitates the teacher.
"""

from __future__ import annotations

import torch
from torch import nn

WIDTHS = (16, 24, 48, 96)


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


class RecaptureNet(nn.Module):
    """See the module."""

    def __init__(self):
        super().__init__()
        a, b, c, d = WIDTHS
        self.trunk = nn.Sequential(
            conv(3, a, 5, 2), nn.ReLU(), conv(a, b, 3, 2), nn.ReLU(), Block(b), conv(b, c, 3, 2), nn.ReLU(), Block(c), conv(c, d, 3, 2), nn.ReLU(), Block(d)
        )
        self.drop = nn.Dropout(0.3)
        # Per view: the label's logit and the teacher's.
        self.heads = nn.Parameter(torch.zeros(2, 2 * d, 2))
        self.biases = nn.Parameter(torch.zeros(2, 2))

    def forward(self, views):
        """Logits float32 [shape=(n, 2 views, 2: label and teacher)]."""
        n = views.shape[0]
        x = (views.flatten(0, 1).permute(0, 3, 1, 2).float() - 127.5) / 64.0
        x = self.trunk(x)
        # A clue fills the picture (mean) or sits in one place (maximum).
        x = self.drop(torch.cat([x.mean((2, 3)), x.amax((2, 3))], 1)).view(n, 2, -1)
        return torch.einsum("nvd,vdk->nvk", x, self.heads) + self.biases
