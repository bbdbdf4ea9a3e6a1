"""The judge's own process: everything that touches a person's picture happens here, behind walls.

Goal: load the models, close the walls, then answer one question after the other until the pipe closes. It has no
database, no keys, no network and, where the system allows it, no files.

Run as ``python -m idverify.service.behind_walls`` by :mod:`~idverify.service.inmate`; every answer is JSON.

Public items: :func:`main`.
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from idverify.isolation.process import serve
from idverify.isolation.walls import runtime_paths

if TYPE_CHECKING:
    from idverify import Verifier

__all__ = ["main"]

# The narrowest and widest face, as a share of the picture's width, that the page asks for; and how far its middle may
# be from the picture's. Wider than what the judge accepts: a hint never keeps anybody from going on.
_NEAR, _FAR, _OFF = 0.65, 0.22, 0.2
# Median luma of the small grey picture under which the page asks for light, as dark scenes count in the decision.
_DARK = 35.0
_HINT_SIDE_PX = 640
# As large as somebody looks at a photo, and what it is coded with.
_SHOWN_SIDE_PX, _SHOWN_QUALITY = 1600, 92


def main() -> None:
    """Answer until the other end is gone."""
    serve(_prepare, _readable)


def _prepare(_: Any) -> dict[str, Callable[..., str]]:
    _verifier("ial2").load()
    _warm_up()
    return {name: _in_json(do) for name, do in (("judge", _judge), ("photo", _photo), ("jpeg", _jpeg), ("hint", _hint))}


def _in_json(question: Callable[..., dict[str, Any]]) -> Callable[..., str]:
    def answer(case: dict[str, Any], *parts: bytes) -> str:
        return json.dumps(_answered(question, case, *parts), allow_nan=False)

    return answer


def _answered(question: Callable[..., dict[str, Any]], case: dict[str, Any], *parts: bytes) -> dict[str, Any]:
    from idverify.errors import CalibrationError, MediaError, ModelError, PolicyError
    from idverify.service.verdict import LateError

    try:
        return question(case, *parts)
    except LateError as error:
        return {"error": "late", "detail": _one_line(error)}
    except MediaError as error:
        return {"error": "media", "detail": _one_line(error)}
    except MemoryError:
        return {"error": "memory", "detail": "the recording needs too much memory"}
    except (ModelError, CalibrationError, PolicyError) as error:
        return {"error": "setup", "detail": _one_line(error)}
    except Exception as error:  # noqa: BLE001 - one recording's fault must not end the judge
        return {"error": "internal", "detail": _one_line(error)}


def _judge(case: dict[str, Any], video: bytes, photo: bytes) -> dict[str, Any]:
    """Decide about a recording, timed by the service."""
    from idverify.report.json import series_json, to_json
    from idverify.service.verdict import decide

    decision, capture = decide(_verifier(case["policy"]), video, photo, case)
    return {"decision": to_json(decision), "capture": capture, "series": series_json(decision)}


def _photo(_: dict[str, Any], photo: bytes) -> dict[str, Any]:
    """Whether a photo can serve as a reference."""
    from idverify.reasons import NotAssessed

    enrolled = _verifier("ial2").enrol(photo)
    if isinstance(enrolled, NotAssessed):
        return {"usable": False, "reason": enrolled.reason.value, "detail": enrolled.detail}
    return {"usable": True, "faces": enrolled.value.n_faces}


def _jpeg(_: dict[str, Any], photo: bytes) -> dict[str, Any]:
    """A photo of any kind that is read, as one that every browser shows."""
    import cv2

    from idverify import load_photo

    rgb = load_photo(photo)
    shrink = min(1.0, _SHOWN_SIDE_PX / max(rgb.shape[:2]))
    height, width = (max(1, round(shrink * side)) for side in rgb.shape[:2])
    small = cv2.resize(rgb, (width, height), interpolation=cv2.INTER_AREA)
    coded = cv2.imencode(".jpg", small[:, :, ::-1], (cv2.IMWRITE_JPEG_QUALITY, _SHOWN_QUALITY))[1]
    return {"jpeg": b64encode(coded.tobytes()).decode()}


def _hint(_: dict[str, Any], small: bytes) -> dict[str, Any]:
    """What the person can do better, from one small grey picture; nothing is kept."""
    import cv2
    import numpy as np

    from idverify import load_photo

    picture = load_photo(small)
    scale = _HINT_SIDE_PX / max(picture.shape[:2])
    enlarged = np.asarray(cv2.resize(picture, None, fx=scale, fy=scale), np.uint8)
    faces = _verifier("ial2").face_models.detectors[0].detect(enlarged)
    height, width = enlarged.shape[:2]
    if not faces:
        return {"hint": "too_dark" if float(np.median(picture)) < _DARK else "no_face"}
    by_size = sorted(faces, key=lambda face: -face.width_px)
    if len(by_size) > 1 and by_size[1].width_px > 0.6 * by_size[0].width_px:
        return {"hint": "several_faces"}
    left, top, right, bottom = by_size[0].bbox_xyxy_px
    share = (right - left) / min(width, height)
    if share > _NEAR:
        return {"hint": "too_close"}
    if share < _FAR:
        return {"hint": "too_far"}
    off = max(abs((left + right) / 2 / width - 0.5), abs((top + bottom) / 2 / height - 0.5))
    if off > _OFF:
        return {"hint": "off_centre"}
    inside = picture[int(top / scale) : int(bottom / scale) + 1, int(left / scale) : int(right / scale) + 1]
    return {"hint": "too_dark" if float(np.median(inside)) < _DARK else "ok"}


@lru_cache(maxsize=8)
def _verifier(policy: str) -> Verifier:
    from idverify import Verifier

    return Verifier(policy=policy)


def _warm_up() -> None:
    """Import what the first answer would import: afterwards fewer files can be reached."""
    import idverify.report.json
    import idverify.report.plots
    import idverify.service.timing
    import idverify.service.verdict  # noqa: F401


def _readable() -> list[Path]:
    """What Python needs, and the models: nothing of the service's own data."""
    from idverify import models

    return [*runtime_paths(), models.models_dir(), models.data_dir()]


def _one_line(error: Exception) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())[:300]


if __name__ == "__main__":
    main()
