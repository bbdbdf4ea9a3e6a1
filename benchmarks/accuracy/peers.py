"""Peers side by side: the same photos, clips and faces, in one run, in one table.

    python benchmarks/accuracy/peers.py SHARED_DATA [--people N] [--json FILE]

Comparison: idverify, SFace alone as OpenCV's sample uses it (cosine at least 0.363), and the dlib ResNet as
face_recognition uses it (distance at most 0.6), through this project's conversion and, where it is installed, through
face_recognition itself (without a compiler: ``pip install dlib-bin 'setuptools<81'``, then ``pip install --no-deps
face-recognition face-recognition-models``). Packages that fetch their weights when first used are asked for them, and
named with what came of it. Photos: two each of N people of LFW's test half, all pairs (what idverify takes
off faces was fitted on means of all of LFW, these people among them). Clips: every bona fide clip
against the same photos and those of the people in the clips; a peer's score is its mean over the faces that idverify
chose. All see the same faces and landmarks, so what differs is the network and its threshold. Each peer stands at its
own documented threshold, and at the one that gives it FMR 1e-3 on these very pairs.

Liveness: idverify's decision without a reference, and the two MiniFASNet nets as their authors use them (mean
probability at least 0.5) on the same frames; they need PyTorch. Bona fide clips and captured replays; the sources are
few, so read the counts.
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from comparison_sets import SAME_PERSON, is_test, rate, subject_of
from numpy.typing import NDArray
from peers_table import markdown

from idverify.faces.alignment import DLIB, SFACE, align
from idverify.media import load_photo, open_recording
from idverify.metrics import threshold_at_fmr
from idverify.models.session import Session
from idverify.verification.subject import Subject
from idverify.verification.verifier import Verifier

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "models" / "training" / "recapture"))

F64 = NDArray[np.float64]
# OpenCV's tutorial on face recognition: the cosine from which two faces are called the same person.
SFACE_COSINE = 0.363
# face_recognition.compare_faces: the distance up to which two faces match.
TOLERANCE = 0.6
# minivision-ai/Silent-Face-Anti-Spoofing, test.py: the likelier class wins; of bona fide against the rest that is 0.5.
MINIFASNET_BONA_FIDE = 0.5
COMMON_FMR = 1e-3


@dataclass(frozen=True, kw_only=True)
class Peer:
    """A way to compare; `similarity` of n and m vectors grows with likeness, [shape=(n, m)]."""

    name: str
    extract: Callable[[list[Any], Any], F64]
    similarity: Callable[[F64, F64], F64]
    threshold: float
    shown: str


def distance(a: F64, b: F64) -> F64:
    squared = (a**2).sum(1)[:, None] + (b**2).sum(1)[None] - 2 * a @ b.T
    return -np.sqrt(np.maximum(squared, 0))


def make_peers(verifier: Verifier) -> list[Peer]:
    sface, dlib = Session("sface"), Session("dlib_resnet")

    def raw(session: Session, canonical: Any) -> Callable[[list[Any], Any], F64]:
        return lambda images, points: session.run(align(images, points, canonical))[0].astype(np.float64)

    def cosine(a: F64, b: F64) -> F64:
        return (a / np.linalg.norm(a, axis=1, keepdims=True)) @ (b / np.linalg.norm(b, axis=1, keepdims=True)).T

    card = verifier.card.threshold(verifier.policy.target_fmr)
    fused = verifier.face_models.extractor.extract
    peers = [
        Peer(
            name="idverify",
            extract=fused,
            similarity=lambda a, b: a @ b.T,
            threshold=card,
            shown=f"card, FMR {verifier.policy.target_fmr:g}",
        ),
        Peer(
            name="SFace alone",
            extract=raw(sface, SFACE),
            similarity=cosine,
            threshold=SFACE_COSINE,
            shown=f"cosine {SFACE_COSINE}",
        ),
        Peer(
            name="dlib ResNet (converted)",
            extract=raw(dlib, DLIB),
            similarity=distance,
            threshold=-TOLERANCE,
            shown=f"distance {TOLERANCE}",
        ),
    ]
    encoder = installed_face_recognition()
    if encoder is not None:

        def extract(images: list[Any], points: Any) -> F64:
            chips = align(images, points, DLIB)
            return np.array([encoder.compute_face_descriptor(np.ascontiguousarray(chip)) for chip in chips])

        peers.append(
            Peer(
                name="face_recognition",
                extract=extract,
                similarity=distance,
                threshold=-TOLERANCE,
                shown=f"distance {TOLERANCE}",
            )
        )
    return peers


def installed_face_recognition() -> Any | None:
    try:
        from face_recognition.api import face_encoder
    # The package calls quit() where its model package cannot be imported.
    except (ImportError, SystemExit):
        return None
    return face_encoder


def _uniface() -> None:
    from uniface.recognition import ArcFace

    ArcFace()


def _insightface() -> None:
    from insightface.app import FaceAnalysis

    FaceAnalysis().prepare(-1)


def _facenet_pytorch() -> None:
    from facenet_pytorch import InceptionResnetV1

    InceptionResnetV1(pretrained="vggface2")


def _deepface() -> None:
    from deepface import DeepFace

    DeepFace.build_model("SFace")


# Packages whose wheels hold no weights: loading them fetches those from elsewhere.
WITHOUT_WEIGHTS: dict[str, Callable[[], None]] = {
    "uniface": _uniface,
    "insightface": _insightface,
    "facenet-pytorch": _facenet_pytorch,
    "deepface": _deepface,
}


def what_came_of(name: str) -> str:
    try:
        WITHOUT_WEIGHTS[name]()
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        return "not installed" if missing == name.replace("-", "_") else f"installed, needs {missing}"
    except Exception as error:  # noqa: BLE001  what a foreign package raises is its own
        return f"installed, could not load its weights ({type(error).__name__})"
    return "loads its weights; not compared here"


# -- faces: each is found once, for all peers ----------------------------------------------------------------


def photo_vectors(path: Path, verifier: Verifier, peers: list[Peer]) -> list[F64] | None:
    """One vector a peer of the face nearest to the photo's centre."""
    photo = load_photo(path)
    face = subject_of(photo, verifier.face_models)
    return None if face is None else [p.extract([photo], face.points_px[None])[0] for p in peers]


def choose_photos(data: Path, people: int) -> list[Path]:
    """Two photos each of the first people of the test half that have two; all of those who are in clips."""
    with (data / "videos.csv").open(encoding="utf-8", newline="") as file:
        shown = {row["subject"] for row in csv.DictReader(file)}
    second_names = {name for _, name in SAME_PERSON}
    folders = [p for p in sorted((data / "lfw").iterdir()) if p.is_dir() and p.name not in second_names]
    several = [p for p in folders if is_test(p.name) and p.name not in shown and len(list(p.glob("*.jpg"))) > 1]
    step = max(1, len(several) // people)
    chosen = [photo for p in several[::step][:people] for photo in sorted(p.glob("*.jpg"))[:2]]
    return chosen + [photo for p in folders if p.name in shown for photo in sorted(p.glob("*.jpg"))[:2]]


# -- liveness ------------------------------------------------------------------------------------------------


def minifasnet(data: Path) -> Callable[[list[Any]], Any] | None:
    try:
        from minifasnet import MiniFASNet
    except ImportError:
        return None
    return MiniFASNet(data / "peers" / "minifasnet")


def subject_frames(clip: Path, subject: Subject, verifier: Verifier) -> list[tuple[Any, Any]]:
    """Whole pictures and face boxes at the frames that idverify compares."""
    faces = {c.face.frame_index: c.face.points_px for c in subject.compared}
    found = []
    with open_recording(clip, limits=verifier.policy.limits) as recording:
        for frame in recording:
            if frame.index in faces:
                points = faces[frame.index][:, :2]
                found.append((frame.image_rgb(), np.concatenate([points.min(axis=0), points.max(axis=0)])))
    return found


# -- the run ---------------------------------------------------------------------------------------------------


def measure(data: Path, people: int) -> dict[str, Any]:
    verifier = Verifier()
    verifier.load()
    peers, net = make_peers(verifier), minifasnet(data)
    vectors, who = [], []
    for path in choose_photos(data, people):
        found = photo_vectors(path, verifier, peers)
        if found is not None:
            vectors.append(found)
            who.append(path.parent.name)
    photos = [np.array([v[k] for v in vectors]) for k in range(len(peers))]
    with (data / "videos.csv").open(encoding="utf-8", newline="") as file:
        clips = [row for row in csv.DictReader(file) if row["pai_species"] in ("", "replay_phone")]
    clips = [row for row in clips if "+" not in row["subject"]]
    scores, names, liveness = [[] for _ in peers], [], []
    for row in clips:
        presentation = verifier.observe(data / row["path"])
        verdict = {"clip": Path(row["path"]).stem, "presentation": row["presentation"]}
        verdict["idverify"] = verifier.judge(presentation, None).outcome.value
        if isinstance(presentation.subject, Subject):
            if net is not None:
                pictures = subject_frames(data / row["path"], presentation.subject, verifier)
                verdict["MiniFASNet"] = float(np.mean(net(pictures)))
            if row["presentation"] == "bona_fide":
                names.append(row["subject"])
                faces = presentation.subject.compared
                images, points = [c.image_rgb for c in faces], np.stack([c.points_px for c in faces])
                for k, peer in enumerate(peers):
                    scores[k].append(peer.similarity(peer.extract(images, points), photos[k]).mean(axis=0))
        liveness.append(verdict)
        print(verdict, file=sys.stderr)
    people_of, of_clips = np.array(who), np.array(names)
    comparison = [
        compare_row(peer, photos[k], np.array(scores[k]), people_of, of_clips) for k, peer in enumerate(peers)
    ]
    return {
        "common_fmr": COMMON_FMR,
        "photos": len(who),
        "people": len(set(who)),
        "comparison": comparison,
        "liveness": [
            liveness_row("idverify", liveness, lambda v: v.get("idverify")),
            *(
                [liveness_row("MiniFASNet", liveness, fasnet_outcome)]
                if net is not None
                else [{"peer": "MiniFASNet", "note": "not run: needs PyTorch; see recapture.py"}]
            ),
        ],
        "face_recognition": "installed" if len(peers) > 3 else "not installed here; its network is the converted one",
        "others": {name: what_came_of(name) for name in WITHOUT_WEIGHTS},
        "clips": liveness,
    }


def compare_row(peer: Peer, photos: F64, clips: F64, who: NDArray[Any], names: NDArray[Any]) -> dict[str, Any]:
    i, j = np.triu_indices(len(who), 1)
    pairs = peer.similarity(photos, photos)[i, j]
    mated = who[i] == who[j]
    own = names[:, None] == who[None]
    common = threshold_at_fmr(pairs[~mated], COMMON_FMR)
    return {
        "peer": peer.name,
        "threshold": peer.shown,
        "photos": {"fmr": rate(pairs[~mated] >= peer.threshold), "fnmr": rate(pairs[mated] < peer.threshold)},
        "photos_fnmr_at_common_fmr": rate(pairs[mated] < common),
        "clips": {"fmr": rate(clips[~own] >= peer.threshold), "fnmr": rate(clips[own] < peer.threshold)},
    }


def fasnet_outcome(verdict: dict[str, Any]) -> str:
    if "MiniFASNet" not in verdict:
        return "inconclusive"
    return "accept" if verdict["MiniFASNet"] >= MINIFASNET_BONA_FIDE else "reject"


def liveness_row(name: str, verdicts: list[dict[str, Any]], outcome: Callable[[dict[str, Any]], Any]) -> dict[str, Any]:
    counts: dict[str, Any] = {"peer": name}
    for presentation in ("bona_fide", "attack"):
        found = [outcome(v) for v in verdicts if v["presentation"] == presentation]
        counts[presentation] = {word: found.count(word) for word in ("accept", "reject", "inconclusive")}
    return counts


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--people", type=int, default=300)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    cv2.setNumThreads(1)
    result = measure(args.data, args.people)
    print(markdown(result))
    if args.json:
        args.json.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
