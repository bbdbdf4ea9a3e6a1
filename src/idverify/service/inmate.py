"""The judge's own process: everything that touches a person's picture happens here, behind walls.

Goal: load the models, close the walls, then answer one message after the other until the pipe closes. It has no
database, no keys, no network and, where the system allows it, no files.

Run as ``python -m idverify.service.inmate``; messages come on standard input and go to what was standard output.

Public items: :func:`main`.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from idverify.isolation.walls import close_walls, runtime_paths
from idverify.service import wire

if TYPE_CHECKING:
    from idverify import Verifier

__all__ = ["main"]

# The narrowest and widest face, as a share of the picture's width, that the page asks for; and how far its middle may
# be from the picture's. Wider than what the judge accepts: a hint never keeps anybody from going on.
_NEAR, _FAR, _OFF = 0.65, 0.22, 0.2
# Median luma of the small grey picture under which the page asks for light, as dark scenes count in the decision.
_DARK = 35.0
_HINT_SIDE_PX = 640
_FOLLOW_S = 0.5


def main() -> None:
    """Answer until the other end is gone."""
    threading.Thread(target=_follow, args=(os.getppid(),), daemon=True).start()
    # The keyboard's interrupt reaches the whole group; the service alone decides what becomes of it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    memory_bytes = int(sys.argv[1])
    source = os.fdopen(os.dup(0), "rb")
    sink = os.fdopen(os.dup(1), "wb")
    # Whatever a library prints must not be taken for an answer.
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    try:
        _verifier("ial2").load()
        _warm_up()
    except Exception as error:  # noqa: BLE001 - the parent says it in its own words
        wire.send(sink, {"ready": False, "error": " ".join(str(error).split())[:300]})
        return
    walls = close_walls(readable=_readable(), memory_bytes=memory_bytes)
    wire.send(sink, {"ready": True, "missing_walls": list(walls.missing)})
    while True:
        try:
            head, parts = wire.receive(source)
        except EOFError:
            return
        wire.send(sink, _answer(head, parts))


def _follow(parent: int) -> None:
    """End with the service, also in the middle of a judgement; the kernel's own signal follows a thread of it."""
    while os.getppid() == parent:
        time.sleep(_FOLLOW_S)
    os._exit(1)


def _answer(head: dict[str, Any], parts: list[bytes]) -> dict[str, Any]:
    from idverify.errors import CalibrationError, MediaError, ModelError, PolicyError
    from idverify.service.verdict import LateError

    try:
        return _QUESTIONS[head["what"]](head, parts)
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


def _judge(head: dict[str, Any], parts: list[bytes]) -> dict[str, Any]:
    """Decide about a recording, timed by the service."""
    from idverify.report.json import to_json
    from idverify.service.verdict import decide

    video, photo = parts
    decision, capture = decide(_verifier(head["policy"]), video, photo, head)
    return {"decision": to_json(decision), "capture": capture}


def _photo(head: dict[str, Any], parts: list[bytes]) -> dict[str, Any]:
    """Whether a photo can serve as a reference."""
    from idverify.reasons import NotAssessed

    enrolled = _verifier("ial2").enrol(parts[0])
    if isinstance(enrolled, NotAssessed):
        return {"usable": False, "reason": enrolled.reason.value, "detail": enrolled.detail}
    return {"usable": True, "faces": enrolled.value.n_faces}


def _hint(head: dict[str, Any], parts: list[bytes]) -> dict[str, Any]:
    """What the person can do better, from one small grey picture; nothing is kept."""
    import cv2
    import numpy as np

    from idverify import load_photo

    picture = load_photo(parts[0])
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


_QUESTIONS: dict[str, Callable[[dict[str, Any], list[bytes]], dict[str, Any]]] = {
    "judge": _judge,
    "photo": _photo,
    "hint": _hint,
}


@lru_cache(maxsize=8)
def _verifier(policy: str) -> Verifier:
    from idverify import Verifier

    return Verifier(policy=policy)


def _warm_up() -> None:
    """Import what the first answer would import: afterwards fewer files can be reached."""
    import idverify.report.json
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
