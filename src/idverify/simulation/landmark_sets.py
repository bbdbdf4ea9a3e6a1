"""Named groups of the 468 mesh points that the simulator moves or holds on to.

Conventions: "right" and "left" are the person's own; lids and lips run from one corner to the other. Indices are those
of MediaPipe's canonical face model (see :mod:`idverify.faces.landmarks`).

Public items: the groups.
"""

from __future__ import annotations

__all__ = ["BROWS", "EYE_RINGS", "LOWER_LIDS", "LOWER_LIP", "OVAL", "SPREAD", "STIFF", "UPPER_LIDS", "UPPER_LIP"]

# The outline of the face in MediaPipe's canonical mesh, from the forehead's middle on, over the person's left side.
OVAL = [10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377]
OVAL += [152, 148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109]
UPPER_LIDS = ((33, 246, 161, 160, 159, 158, 157, 173, 133), (362, 398, 384, 385, 386, 387, 388, 466, 263))
LOWER_LIDS = ((33, 7, 163, 144, 145, 153, 154, 155, 133), (362, 382, 381, 380, 374, 373, 390, 249, 263))
EYE_RINGS = tuple(up + low[1:-1] for up, low in zip(UPPER_LIDS, LOWER_LIDS, strict=True))
# Lower edges of the eyebrows, in the order of the lids above.
BROWS = ((46, 53, 52, 65, 55), (285, 295, 282, 283, 276))
UPPER_LIP = (78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308)
LOWER_LIP = (78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308)
# Bone close under the skin: forehead, temples, nose bridge, cheekbones. These do not move with expression.
STIFF = [10, 338, 109, 151, 9, 168, 6, 197, 195, 127, 356, 234, 454, 117, 346, 50, 280, 54, 284, 93, 323]
# All over the face.
SPREAD = [10, 297, 284, 389, 454, 361, 397, 378, 152, 149, 172, 132, 234, 162, 54, 67, 70, 105, 107, 336, 334, 300]
SPREAD += [33, 133, 159, 145, 263, 362, 386, 374, 168, 6, 4, 48, 278, 61, 291, 0, 17, 50, 280, 205, 425]
