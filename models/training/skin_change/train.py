"""Train ``skin_change`` on collected windows, write it as ONNX, and fit its calibration card.

    python models/training/skin_change/train.py WORK --model models/skin_change.onnx --card models/calibration/pad_skin.toml \
        --update models/cards/skin_change.md docs/liveness.md

The logit is the mean of two: of a forest, which finds what single numbers tell together, and of a weighted sum, which knows
less about the training's renderers and carries further to others. Five folds over the people (all genuine clips of a person
and every attack driven by them are in one fold) give answers about people that neither has seen; the card is fitted on those,
and printed. Published deepfakes are judged and never trained on, and neither is the test half of the takes; each of these is
judged by the model that has not seen whoever drives it. Each genuine clip weighs alike; so does each kind of take, and a kind
of attackers.py less. The model that ships has seen all clips.
"""

from __future__ import annotations

import argparse
import datetime
import hashlib
from collections import defaultdict
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from idverify.pad.skin_change import N_FEATURES

MARKS = ("<!-- figures: models/training/skin_change/train.py -->", "<!-- end of skin change -->")
FOLDS, TREES, LEAVES = 5, 60, 256
# Strength of the weighted sum against its prior, and its greatest logit; that of the forest follows from EDGE.
FREEDOM, MOST = 0.1, 6.0
EDGE = 1e-3
# Windows of genuine clips that were degraded; clips as they are; passages of them cut and encoded as takes are. Without the
# last a model learns what our encoders do. Shares of what a clip weighs.
GENUINE = {"genuine": 0.4, "real-bona_fide": 0.4, "passage": 0.2}
# Attacks of attackers.py are made from few clips in one way; what a kind of them weighs against a kind of takes.
SINGLE_WINDOWS, THEIR_WEIGHT = ("driven", "script", "swap", "blend"), 0.6
# Judged, never trained on: published deepfakes and captured replays, and kinds that single pictures show.
NEVER_TRAINED = ("real-digital", "real-attack", "face_flash", "answer_forged")
# Kinds of the two ways to attack that the model is there for: animated, swapped.
CLASSES = (("driven", "script", "photo_driven"), ("swap", "blend", "face_swap_tracked", "face_blend"))


def load(folder: Path) -> tuple[np.ndarray, ...]:
    """Features, kind, clip, person and file of every window."""
    parts = []
    for path in sorted(folder.glob("*.npz")):
        with np.load(path) as stored:
            n = len(stored["features"])
            names = (str(stored[key]) for key in ("kind", "source", "person"))
            parts.append((stored["features"], *([name] * n for name in names), [path.stem] * n))
    return tuple(np.concatenate([part[k] for part in parts]) for k in range(5))


class Model:
    """A forest and a weighted sum."""

    def __init__(self, x: np.ndarray, attack: np.ndarray, weight: np.ndarray, seed: int) -> None:
        self.trees = ExtraTreesClassifier(
            TREES, min_samples_leaf=2, max_features=0.3, max_leaf_nodes=LEAVES, random_state=seed
        ).fit(x, attack, weight)
        self.scale = StandardScaler().fit(x)
        self.line = LogisticRegression(C=FREEDOM, max_iter=2000).fit(self.scale.transform(x), attack, weight)

    def logits(self, x: np.ndarray) -> np.ndarray:
        p = np.clip(self.trees.predict_proba(x)[:, 1], EDGE, 1 - EDGE)
        return (np.log(p / (1 - p)) + np.clip(self.line.decision_function(self.scale.transform(x)), -MOST, MOST)) / 2


def weights(kind: np.ndarray, source: np.ndarray) -> np.ndarray:
    """Genuine clips alike and kinds of takes alike; both sides together alike."""
    weight, genuine = np.zeros(len(kind)), np.isin(kind, list(GENUINE))
    for name in set(source[genuine]):
        own = genuine & (source == name)
        for one, share in GENUINE.items():
            weight[own & (kind == one)] = share / max((own & (kind == one)).sum(), 1)
        weight[own] /= weight[own].sum()
    for name in set(kind[~genuine]):
        weight[kind == name] = of_kind(name) / (kind == name).sum()
    for side in (genuine, ~genuine):
        weight[side] /= weight[side].sum()
    return weight / weight.mean()


def of_kind(name: str) -> float:
    """What an attack of this kind weighs."""
    return THEIR_WEIGHT if name in SINGLE_WINDOWS else 1.0


def as_onnx(model: Model) -> onnx.ModelProto:
    """The forest as one node and the logit of its mean; the weighted sum; and the mean of both."""
    trees = model.trees
    rows = defaultdict(list)
    for number, tree in enumerate(trees.estimators_):
        t = tree.tree_
        for node in range(t.node_count):
            leaf = t.children_left[node] < 0
            rows["nodes_treeids"].append(number)
            rows["nodes_nodeids"].append(node)
            rows["nodes_modes"].append("LEAF" if leaf else "BRANCH_LEQ")
            rows["nodes_featureids"].append(0 if leaf else int(t.feature[node]))
            rows["nodes_values"].append(0.0 if leaf else float(np.float32(t.threshold[node])))
            rows["nodes_truenodeids"].append(0 if leaf else int(t.children_left[node]))
            rows["nodes_falsenodeids"].append(0 if leaf else int(t.children_right[node]))
            if leaf:
                value = t.value[node][0]
                rows["target_treeids"].append(number)
                rows["target_nodeids"].append(node)
                rows["target_ids"].append(0)
                rows["target_weights"].append(float(value[1] / value.sum()) / len(trees.estimators_))
    forest = helper.make_node("TreeEnsembleRegressor", ["features"], ["share"], domain="ai.onnx.ml", n_targets=1, **rows)
    slope = model.line.coef_[0] / model.scale.scale_
    intercept = model.line.intercept_[0] - float(slope @ model.scale.mean_)
    constants = {
        "low": EDGE, "high": 1 - EDGE, "one": 1.0, "slope": slope[:, None], "intercept": intercept, "least": -MOST, "most": MOST,
        "half": 0.5,
    }  # fmt: skip
    nodes = [
        forest,
        helper.make_node("Clip", ["share", "low", "high"], ["p"]),
        helper.make_node("Sub", ["one", "p"], ["q"]),
        helper.make_node("Div", ["p", "q"], ["odds"]),
        helper.make_node("Log", ["odds"], ["forest"]),
        helper.make_node("MatMul", ["features", "slope"], ["summed"]),
        helper.make_node("Add", ["summed", "intercept"], ["line"]),
        helper.make_node("Clip", ["line", "least", "most"], ["bounded"]),
        helper.make_node("Add", ["forest", "bounded"], ["both"]),
        helper.make_node("Mul", ["both", "half"], ["logits"]),
    ]
    graph = helper.make_graph(
        nodes,
        "skin_change",
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["n", N_FEATURES])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["n", 1])],
        [numpy_helper.from_array(np.array(v, np.float32), k) for k, v in constants.items()],
    )
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 3)]
    made = helper.make_model(graph, opset_imports=opsets, ir_version=9, producer_name="idverify")
    onnx.checker.check_model(made)
    return made


def folds(person: np.ndarray) -> np.ndarray:
    """In which fold each person is."""
    return np.array([int(hashlib.sha256(p.encode()).hexdigest(), 16) % FOLDS for p in person])


def per_clip(values: np.ndarray, kind: np.ndarray, names: np.ndarray) -> dict[tuple[str, str], float]:
    found = defaultdict(list)
    for value, one, name in zip(values, kind, names, strict=True):
        found[one, name].append(value)
    return {key: float(np.mean(values)) for key, values in found.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("work", type=Path)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--card", type=Path, required=True)
    parser.add_argument("--update", type=Path, nargs="*", default=[], help="pages in which the table stands")
    args = parser.parse_args()
    x, kind, source, person, name = load(args.work / "features")
    attack, kept = ~np.isin(kind, list(GENUINE)), ~np.isin(kind, NEVER_TRAINED)
    fold = folds(person)
    left_out = np.zeros(len(x))
    tested = load(args.work / "features_test")
    of_tested, driver_fold = np.zeros(len(tested[0])), folds(tested[3])
    for k in range(FOLDS):
        train = (fold != k) & kept
        model = Model(x[train], attack[train], weights(kind[train], source[train]), k)
        asked = (fold == k) & kept
        left_out[asked] = model.logits(x[asked])
        left_out[~kept] += model.logits(x[~kept]) / FOLDS
        # Whoever drives a take is genuine in the other folds, and known to their models.
        driven = driver_fold == k
        if driven.any():
            of_tested[driven] = model.logits(tested[0][driven])
    clips = per_clip(left_out, kind, name)
    of_takes = per_clip(of_tested, tested[1], tested[4])
    with (args.work / "left_out.csv").open("w", encoding="utf-8") as file:
        file.write("kind,name,logit\n")
        file.writelines(f"{k},{n},{v:.4f}\n" for (k, n), v in sorted((clips | of_takes).items()))
    genuine = np.array([v for (k, _), v in clips.items() if k == "real-bona_fide"])
    attacks = {k: np.array([v for (one, _), v in clips.items() if one == k]) for k in sorted(set(kind[attack & kept]))}
    others = {k: np.array([v for (one, _), v in clips.items() if one == k]) for k in (*NEVER_TRAINED, "genuine", "passage")}
    marks = (*np.quantile(genuine, (0.8, 0.85, 0.9)), np.quantile(others["passage"], 0.8))
    lines = [
        f"{len(genuine)} genuine clips as they are; {len(others['genuine'])} windows of them that were degraded (`genuine`); and "
        f"{len(others['passage'])} passages of them, cut and encoded as takes are (`passage`).",
        "",
        "| kind | n | AUC | passes where 80 % of genuine clips do | 85 % | 90 % | where 80 % of passages do |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    others |= {f"{k}, test half": np.array([v for (one, _), v in of_takes.items() if one == k]) for k in sorted(set(tested[1]))}
    for k, values in (attacks | others).items():
        if len(values):
            auc = (genuine[:, None] < values).mean() + 0.5 * (genuine[:, None] == values).mean()
            passing = " | ".join(f"{(values <= mark).mean():.2f}" for mark in marks)
            lines.append(f"| {k} | {len(values)} | {auc:.2f} | {passing} |")
    print("\n".join(lines))
    for page in args.update:
        before, _, rest = page.read_text(encoding="utf-8").partition(MARKS[0])
        after = rest.partition(MARKS[1])[2]
        page.write_text("\n\n".join((f"{before}{MARKS[0]}", *("\n".join(lines),), f"{MARKS[1]}{after}")), encoding="utf-8")
    people = {k: set(person[kind == k]) for k in set(kind)}
    write_card(args.card, genuine, others["passage"], attacks, people)
    made = as_onnx(Model(x[kept], attack[kept], weights(kind[kept], source[kept]), 0)).SerializeToString()
    args.model.write_bytes(made)
    print(f"\n{args.model}: {len(made) / 1e6:.2f} MB, sha256 {hashlib.sha256(made).hexdigest()}")


def write_card(
    path: Path, genuine: np.ndarray, passages: np.ndarray, attacks: dict[str, np.ndarray], people: dict[str, set[str]]
) -> None:
    """A logistic map between bounds that the numbers of people support.

    Genuine clips as they are, and passages cut and encoded as takes are, weigh alike; attacks weigh as in training.
    """
    sides = [(genuine, 0.25), (passages, 0.25)]
    total = sum(map(of_kind, attacks))
    sides += [(v, 0.5 * of_kind(k) / total) for k, v in attacks.items()]
    values = np.concatenate([v for v, _ in sides])[:, None]
    weight = np.concatenate([np.full(len(v), share / len(v)) for v, share in sides]) * len(values)
    labels = np.arange(len(values)) < len(genuine) + len(passages)
    fit = LogisticRegression(C=1e3).fit(values, labels, sample_weight=weight)
    slope, intercept = float(fit.coef_[0, 0]), float(fit.intercept_[0])
    if slope >= 0:
        raise SystemExit("the model speaks the wrong way")
    # No claim beyond what as many people bear, for either way to attack that the model sees: many takes have one driver.
    shown = [set().union(*(people[k] for k in attacks if k.partition("_drift")[0] in own)) for own in CLASSES]
    ceiling = np.log(min(map(len, shown)) / 3)
    floor = -np.log(len(people["real-bona_fide"]) / 3)
    ends = sorted(((llr - intercept) / slope, llr) for llr in (floor, ceiling))
    path.write_text(
        "# Written by models/training/skin_change/train.py; do not edit.\n"
        f'date = "{datetime.date.today().isoformat()}"\n\n[skin_change]\n'
        'about = "logistic map of the mean logit, fitted on genuine clips, passages of them and simulated attacks, of people left out"\n'
        f"bona_fide_clips = {len(genuine)}\npassages = {len(passages)}\n"
        f"attacks = {sum(map(len, attacks.values()))}\nkinds = {len(attacks)}\n"
        f"left_out_bona_fide_wrong = {int((genuine > -intercept / slope).sum())}\n"
        f"left_out_attacks_wrong = {int(sum((v < -intercept / slope).sum() for v in attacks.values()))}\n"
        f"native = [{', '.join(f'{native:.4g}' for native, _ in ends)}]\nllr = [{', '.join(f'{llr:.3f}' for _, llr in ends)}]\n",
        encoding="utf-8",
    )
    print("\n" + path.read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
