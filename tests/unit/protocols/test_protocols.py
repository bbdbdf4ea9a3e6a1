"""Trials files and data-set loaders, on tiny made-up trees of empty files."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from idverify.errors import ParameterError
from idverify.protocols import PROTOCOLS, Presentation, Split, Trial, read_trials, write_trials

HEADER = "video,reference,mated,presentation,pai_species,subject,group,device,split\n"


def touch(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def brief(trials: tuple[Trial, ...]) -> list[tuple]:
    return [(Path(t.video).name, t.pai_species, t.subject, t.device, t.split.value) for t in trials]


# -- trials files -----------------------------------------------------------------------------------------------------


def test_trials_survive_writing_and_reading(tmp_path):
    trials = (
        Trial(video="a, b.mp4", presentation=Presentation.BONA_FIDE, subject='Zoë "Z"', split=Split.DEV),
        Trial(
            video="c.mp4",
            reference="r.jpg",
            mated=False,
            presentation=Presentation.ATTACK,
            pai_species="print",
            subject="1",
            group="g",
            device="d",
            split=Split.EVAL,
            reference_subject="2",
        ),
    )
    write_trials(trials, tmp_path / "trials.csv")
    assert read_trials(tmp_path / "trials.csv") == trials
    assert [p.name for p in tmp_path.iterdir()] == ["trials.csv"]  # nothing half-written is left


def test_a_spreadsheet_export_is_read(tmp_path):
    text = "\ufeff" + HEADER.replace("\n", "\r\n") + "v.mp4,r.jpg,TRUE,bona_fide,,s,,,eval\r\n"
    (tmp_path / "t.csv").write_text(text, encoding="utf-8")
    (trial,) = read_trials(tmp_path / "t.csv")
    assert (trial.mated, trial.reference_subject) == (True, "")


ROW = "v.mp4,r.jpg,true,bona_fide,,s,,,dev\n"
WRONG = {
    "half a truth": ("v.mp4,r.jpg,maybe,bona_fide,,s,,,dev\n", "t.csv line 2, column mated: .*'maybe'"),
    "unknown class": ("v.mp4,,,live,,s,,,dev\n", "line 2, column presentation: .*bona_fide, attack, got 'live'"),
    "unknown split": (ROW + "w.mp4,,,bona_fide,,s,,,validation\n", "line 3, column split: .*train, dev, eval"),
    "attack of no species": ("v.mp4,,,attack,,s,,,dev\n", "line 2, column pai_species: expected a name"),
    "bona fide print": ("v.mp4,,,bona_fide,print,s,,,dev\n", "line 2, column pai_species: expected nothing"),
    "mated with nobody": ("v.mp4,,true,bona_fide,,s,,,dev\n", "line 2, column reference"),
    "reference without truth": ("v.mp4,r.jpg,,bona_fide,,s,,,dev\n", "line 2, column mated"),
    "nobody": ("v.mp4,r.jpg,true,bona_fide,,,,,dev\n", "line 2, column subject"),
    "no video": (",r.jpg,true,bona_fide,,s,,,dev\n", "line 2, column video"),
    "the same trial twice": (ROW + ROW, "line 3, column video: .* stand in line 2"),
    "a short line": ("v.mp4,r.jpg\n", "line 2: expected 9 values"),
    "a long line": (ROW.strip() + ",extra\n", "line 2: expected 9 values"),
    "no trial": ("", "at least one trial"),
}


@pytest.mark.parametrize(("rows", "message"), WRONG.values(), ids=WRONG.keys())
def test_a_wrong_row_is_named_by_file_line_and_column(tmp_path, rows, message):
    write(tmp_path / "t.csv", HEADER + rows)
    with pytest.raises(ParameterError, match=message):
        read_trials(tmp_path / "t.csv")


@pytest.mark.parametrize(
    ("header", "message"),
    [
        (HEADER.replace("split", "part"), "missing column 'split'"),
        (HEADER.replace("\n", ",age\n"), "unknown column 'age'"),
        (HEADER.replace("\n", ",group\n"), "repeated column 'group'"),
        ("", "missing column"),
    ],
)
def test_a_wrong_header_is_named(tmp_path, header, message):
    with pytest.raises(ParameterError, match=f"t.csv line 1: {message}"):
        read_trials(write(tmp_path / "t.csv", header))


def test_what_is_no_text_file_is_refused(tmp_path):
    (tmp_path / "t.csv").write_bytes(b"\xff\xfe\x00v\x00")
    for path in (tmp_path / "t.csv", tmp_path / "none.csv", tmp_path):
        with pytest.raises(ParameterError, match="expected"):
            read_trials(path)


def test_a_mated_reference_shows_the_subject():
    with pytest.raises(ParameterError, match="column reference_subject"):
        Trial(
            video="v",
            reference="r",
            mated=True,
            presentation=Presentation.BONA_FIDE,
            subject="a",
            split=Split.EVAL,
            reference_subject="b",
        )


# -- liveness sets ----------------------------------------------------------------------------------------------------


def test_replay_attack(tmp_path):
    touch(
        tmp_path,
        "train/real/client001_session01_webcam_authenticate_adverse_1.mov",
        "devel/attack/hand/attack_print_client003_session01_highdef_photo_adverse.mov",
        "test/attack/fixed/attack_mobile_client009_session01_mobile_video_controlled.mov",
        "enroll/test/client009_session01_webcam_enroll_adverse_1.mov",
    )
    assert [t[1:] for t in brief(PROTOCOLS["replay-attack"](tmp_path))] == [
        ("print_photo", "003", "webcam", "dev"),
        ("mobile_video", "009", "webcam", "eval"),
        ("", "001", "webcam", "train"),
    ]


def test_replay_mobile(tmp_path):
    touch(
        tmp_path,
        "devel/attack/attack_client005_session01_mattescreen_fixed_mobile_photo_lightoff.mov",
        "test/real/client009_session02_authenticate_tablet_adverse.mov",
    )
    assert [t[1:] for t in brief(PROTOCOLS["replay-mobile"](tmp_path))] == [
        ("mattescreen_fixed_photo", "005", "mobile", "dev"),
        ("", "009", "tablet", "eval"),
    ]


@pytest.fixture
def oulu(tmp_path: Path) -> Path:
    parts = {"Train": "01", "Dev": "21", "Test": "36"}
    names = (
        f"{part}_files/{phone}_{session}_{user}_{file}.avi"
        for part, user in parts.items()
        for phone in range(1, 7)
        for session in range(1, 4)
        for file in range(1, 6)
    )
    return touch(tmp_path, *names)


# Videos of one person a part: sessions x phones x files, by the rules of the published protocols.
@pytest.mark.parametrize(
    ("protocol", "train_and_dev", "evaluated"),
    [(1, 2 * 6 * 5, 1 * 6 * 5), (2, 3 * 6 * 3, 3 * 6 * 3), (3, 75, 15), (4, 30, 3)],
)
def test_oulu_npu_protocols(oulu, protocol, train_and_dev, evaluated):
    trials = PROTOCOLS["oulu-npu"](oulu, protocol=protocol, fold=6)
    assert Counter(t.split.value for t in trials) == {
        "train": train_and_dev,
        "dev": train_and_dev,
        "eval": evaluated,
    }
    if protocol in (3, 4):
        assert {t.device for t in trials if t.split is Split.EVAL} == {"phone_6"}
        assert "phone_6" not in {t.device for t in trials if t.split is not Split.EVAL}
    if protocol in (2, 4):
        species = {s: {t.pai_species for t in trials if t.split is s} - {""} for s in Split}
        assert species[Split.DEV] == {"print_1", "display_1"}
        assert species[Split.EVAL] == {"print_2", "display_2"}


def test_oulu_npu_refuses_a_fold_that_is_none(oulu):
    with pytest.raises(ParameterError, match="fold 1 to 6"):
        PROTOCOLS["oulu-npu"](oulu, protocol=3, fold=7)


def test_casia_fasd(tmp_path):
    touch(tmp_path, "train_release/1/1.avi", "test_release/1/HR_3.avi", "test_release/1/8.avi")
    assert brief(PROTOCOLS["casia-fasd"](tmp_path)) == [
        ("8.avi", "replay", "test_1", "quality_normal", "eval"),
        ("HR_3.avi", "print_cutout", "test_1", "quality_high", "eval"),
        ("1.avi", "", "train_1", "quality_low", "dev"),
    ]


def test_msu_mfsd(tmp_path):
    write(tmp_path / "train_sub_list.txt", "02\n")
    write(tmp_path / "test_sub_list.txt", "01\n03\n")
    touch(
        tmp_path,
        "scene01/real/real_client001_android_SD_scene01.mp4",
        "scene01/attack/attack_client002_laptop_SD_ipad_video_scene01.mov",
    )
    assert [t[1:] for t in brief(PROTOCOLS["msu-mfsd"](tmp_path))] == [
        ("ipad_video", "002", "laptop", "dev"),
        ("", "001", "android", "eval"),
    ]
    touch(tmp_path, "scene01/real/real_client044_android_SD_scene01.mp4")
    with pytest.raises(ParameterError, match="client 044 stands in neither"):
        PROTOCOLS["msu-mfsd"](tmp_path)


def test_siw(tmp_path):
    touch(
        tmp_path, "Train/live/003/003-1-1-1-1.mov", "Test/spoof/005/005-2-3-4-1.mov", "Test/spoof/005/005-2-2-1-1.m.mov"
    )
    assert [t[1:] for t in brief(PROTOCOLS["siw"](tmp_path))] == [
        ("print_1", "005", "sensor_2", "eval"),
        ("replay_4", "005", "sensor_2", "eval"),
        ("", "003", "sensor_1", "dev"),
    ]
    touch(tmp_path, "Test/live/005/005-2-3-4-2.mov")
    with pytest.raises(ParameterError, match="type 3 stands in folder 'live'"):
        PROTOCOLS["siw"](tmp_path)


def test_celeba_spoof(tmp_path):
    def attributes(species: int) -> list[int]:
        return [0] * 40 + [species, 0, 0]

    metas = tmp_path / "metas" / "intra_test"
    write(metas / "train_label.json", json.dumps({"Data/train/6/live/a.png": attributes(0)}))
    write(metas / "test_label.json", json.dumps({"Data/test/9/spoof/b.jpg": attributes(10)}))
    assert [t[1:] for t in brief(PROTOCOLS["celeba-spoof"](tmp_path))] == [
        ("", "6", "", "dev"),
        ("mask_3d", "9", "", "eval"),
    ]
    write(metas / "test_label.json", json.dumps({"Data/test/9/spoof/b.jpg": [1, 2]}))
    with pytest.raises(ParameterError, match="expected paths with 43 attributes"):
        PROTOCOLS["celeba-spoof"](tmp_path)


def test_a_file_that_does_not_fit_is_an_error_not_a_gap(tmp_path):
    touch(tmp_path, "train_release/1/1.avi", "test_release/1/9.avi")
    with pytest.raises(ParameterError, match=r"'test_release/1/9\.avi' does not fit"):
        PROTOCOLS["casia-fasd"](tmp_path)


# -- comparison sets --------------------------------------------------------------------------------------------------


def test_lfw(tmp_path):
    touch(tmp_path, "lfw-deepfunneled/A/A_0001.jpg")
    write(tmp_path / "pairs.txt", "2\t1\nA\t1\t2\nA\t1\tB\t3\nB\t1\t2\nC\t1\tA\t2\n")
    write(tmp_path / "pairsDevTest.txt", "1\nD\t1\t2\nA\t1\tB\t3\n")
    trials = PROTOCOLS["lfw"](tmp_path)
    assert [(t.subject, t.reference_subject, t.mated, t.group, t.split.value) for t in trials] == [
        ("D", "D", True, "", "dev"),
        ("A", "B", False, "fold_01", "eval"),  # in both views: kept for evaluation
        ("A", "A", True, "fold_01", "eval"),
        ("B", "B", True, "fold_02", "eval"),
        ("C", "A", False, "fold_02", "eval"),
    ]
    assert trials[1].reference == str(tmp_path / "lfw-deepfunneled" / "B" / "B_0003.jpg")


def cfp_tree(root: Path) -> Path:
    write(
        root / "Protocol/Pair_list_F.txt", "1 ../Data/Images/001/frontal/01.jpg\n2 ../Data/Images/002/frontal/01.jpg\n"
    )
    write(root / "Protocol/Pair_list_P.txt", "1 ../Data/Images/001/profile/01.jpg\n")
    for k in range(1, 11):
        write(root / f"Protocol/Split/FP/{k:02d}/same.txt", "1,1\n" if k in (3, 10) else "\n")
        write(root / f"Protocol/Split/FP/{k:02d}/diff.txt", "2,1\n" if k == 10 else "\n")
    return root


def test_cfp(tmp_path):
    trials = PROTOCOLS["cfp"](cfp_tree(tmp_path), protocol="FP", fold=10)
    # The pair of folds 3 and 10 is one trial, in the last of them.
    assert [(t.subject, t.reference_subject, t.mated, t.group, t.split.value) for t in trials] == [
        ("001", "001", True, "fold_10", "eval"),
        ("002", "001", False, "fold_10", "eval"),
    ]
    assert trials[0].reference == str(tmp_path / "Data/Images/001/profile/01.jpg")
    write(tmp_path / "Protocol/Split/FP/01/diff.txt", "7,1\n")
    with pytest.raises(ParameterError, match="expected two numbers of the photo lists, got '7 1'"):
        PROTOCOLS["cfp"](tmp_path)


def test_agedb(tmp_path):
    lines = [f"{n}_MariaCallas_35_f.jpg {n}_AnnaMagnani_40_f.jpg 0\n" for n in range(600)]
    write(tmp_path / "agedb_30_pair.txt", "".join(lines) + "a/0_MariaCallas_35_f.jpg\t9_MariaCallas_70_f.jpg\t1\n")
    trials = PROTOCOLS["agedb"](tmp_path, fold=2)
    assert Counter(t.split.value for t in trials) == {"dev": 600, "eval": 1}
    assert (trials[-1].subject, trials[-1].reference_subject, trials[-1].mated) == ("MariaCallas", "MariaCallas", True)
    assert {t.mated for t in trials[:-1]} == {False}
    write(tmp_path / "agedb_30_pair.txt", "a.jpg b.jpg 1\n")
    with pytest.raises(ParameterError, match="line 1: expected two photos and 0 or 1"):
        PROTOCOLS["agedb"](tmp_path)


# -- all of them ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", PROTOCOLS)
def test_an_empty_folder_is_refused(tmp_path, name):
    with pytest.raises(ParameterError, match="expected"):
        PROTOCOLS[name](tmp_path)


def test_loaded_trials_make_a_valid_file(tmp_path):
    trials = PROTOCOLS["cfp"](cfp_tree(tmp_path))
    write_trials(trials, tmp_path / "t.csv")
    assert read_trials(tmp_path / "t.csv") == trials


def test_the_command_writes_a_trials_file(tmp_path):
    from click.testing import CliRunner

    from idverify.cli.trials import trials_command

    touch(tmp_path, "set/Dev_files/1_1_21_2.avi")
    output = tmp_path / "t.csv"
    done = CliRunner().invoke(trials_command, ["oulu-npu", str(tmp_path / "set"), "-o", str(output), "--protocol", "2"])
    assert (done.exit_code, "1 trials (1 dev attack)" in done.output) == (0, True), done.output
    assert len(read_trials(output)) == 1
    refused = CliRunner().invoke(trials_command, ["siw", str(tmp_path), "-o", str(output), "--fold", "2"])
    assert (refused.exit_code, "siw has no option --fold" in refused.output) == (2, True)
