"""What training rests on: splits by person, the smile's definition, ages, matching, the article's distortions to the number."""

from __future__ import annotations

import numpy as np
import pytest

from workers.gpu.models import AGE_STEPS
from workers.training import augment
from workers.training.ages import ordinal_targets
from workers.training.datasets import age_groups, cutout_group, scene_group, smile_target
from workers.training.scoring import (
    FACE_IOU,
    Judged,
    auc,
    balanced_threshold,
    best_threshold,
    judge,
    operating_point,
    quiet_threshold,
    rates,
)
from workers.training.splits import split_of


def boxes(*rows: tuple[float, float, float, float]) -> np.ndarray:
    return np.array(rows, np.float32).reshape(-1, 4)


def test_the_split_rule_never_changes() -> None:
    # Released weights were trained by this rule: a change would put people of the test split into training.
    assert [split_of(name) for name in ("xhyA", "xhyB", "xhyD")] == ["train", "valid", "test"]
    shares = [split_of(f"person {index}") for index in range(5000)]
    assert 0.18 < shares.count("test") / 5000 < 0.22
    assert 0.08 < shares.count("valid") / 5000 < 0.12


def test_a_split_needs_somebody_to_go_by() -> None:
    with pytest.raises(ValueError, match="a person, a session or a room"):
        split_of("")


@pytest.mark.parametrize(
    ("file", "source", "person", "group"),
    [
        ("images/webcam_phone_normlight_3_00015.jpg", "webcam", "xhyA", "xhyA"),
        ("images/houses_82_bathroom.jpg", "houses", "", "house82"),
        ("images/wallpicture_82_kitchen.jpg", "wallpicture", "", "house82"),
        ("images/selfie_face_001_aug04_jpg.rf.4a.jpg", "selfie", "", "selfie001"),
        ("images/selfie_face_aug241_jpg.rf.6f.jpg", "selfie", "", "selfieunnamed"),
        ("images/person_254.jpg", "person", "", "hseg254"),
        ("images/mask_00000005.jpg", "mask", "", "mask:mask_00000005"),
        ("images/aaf_00154A04.jpg", "aaf", "aaf00154", "aaf-run7"),
    ],
)
def test_pictures_of_one_person_or_house_stay_together(file: str, source: str, person: str, group: str) -> None:
    assert scene_group(file, source, person) == group


def test_a_cutout_stays_with_the_photograph_it_was_cut_from() -> None:
    assert cutout_group("hseg_254_1.webp") == scene_group("images/person_254.jpg", "person", "")


@pytest.mark.parametrize(
    ("label", "other", "target"),
    [
        ("smile", "", 1),
        ("happiness", "smile", 1),
        ("happiness", "nonsmile", None),
        ("smile", "neutral", None),
        ("neutral", "smile", None),
        ("nonsmile", "happiness", None),
        ("nonsmile", "sadness", 0),
        ("neutral", "", 0),
    ],
)
def test_a_smile_is_what_no_set_contradicts(label: str, other: str, target: int | None) -> None:
    assert smile_target(label, other) == target


def test_age_groups_begin_where_they_say() -> None:
    ages = np.array([0, 4, 5, 14, 15, 17, 18, 90], np.float32)
    assert age_groups(ages).tolist() == ["toddler", "toddler", "child", "child", "teen", "teen", "adult", "adult"]


def test_ordinal_targets_fall_with_the_step_and_rise_with_age() -> None:
    targets = ordinal_targets(np.array([3, 9, 16, 30], np.float32))
    assert targets.shape == (4, len(AGE_STEPS))
    assert (np.diff(targets, axis=1) <= 0).all()
    assert (np.diff(targets, axis=0) >= 0).all()
    child, adult = targets[1], targets[3]
    assert child[AGE_STEPS.index(15)] < 0.05
    assert adult[AGE_STEPS.index(18)] > 0.95


def test_a_face_is_found_once_and_a_second_box_on_it_is_wrong() -> None:
    truth = boxes((10, 10, 50, 50))
    found = (boxes((11, 10, 51, 50), (10, 12, 50, 52), (200, 200, 240, 240)), np.array([0.9, 0.8, 0.7], np.float32))
    judged = judge(found, truth, boxes())
    assert judged.right.tolist() == [True, False, False]
    assert (rates([judged], 0.75).found, rates([judged], 0.75).drawn) == (1, 2)


def test_the_overlap_that_counts_is_the_papers() -> None:
    truth = boxes((0, 0, 100, 100))
    just, below = 100 * FACE_IOU + 1, 100 * FACE_IOU - 1
    for width, right in ((just, True), (below, False)):
        judged = judge((boxes((0, 0, width, 100)), np.array([0.9], np.float32)), truth, boxes())
        assert judged.right.tolist() == [right]


def test_what_lies_in_a_region_that_counts_neither_way_is_passed_over() -> None:
    found = (boxes((210, 210, 230, 230)), np.array([0.9], np.float32))
    judged = judge(found, boxes(), boxes((200, 200, 260, 260)))
    assert rates([judged], 0.0).drawn == 0
    assert rates([judged], 0.0).false_pictures == 0


def test_an_empty_picture_with_a_box_is_a_false_picture() -> None:
    judged = judge((boxes((0, 0, 9, 9)), np.array([0.6], np.float32)), boxes(), boxes())
    assert rates([judged], 0.5).false_pictures == 1
    assert rates([judged], 0.7).false_pictures == 0


def test_the_threshold_parts_right_from_wrong() -> None:
    right = judge((boxes((0, 0, 9, 9)), np.array([0.85], np.float32)), boxes((0, 0, 9, 9)), boxes())
    wrong = judge((boxes((0, 0, 9, 9)), np.array([0.5], np.float32)), boxes(), boxes())
    threshold, f1 = best_threshold([right, wrong], [right, wrong])
    assert 0.5 < threshold <= 0.85
    assert f1 == 1


def test_a_balanced_threshold_lies_between_the_classes() -> None:
    truth, score = np.array([0, 0, 1, 1], np.float32), np.array([0.1, 0.4, 0.6, 0.9], np.float32)
    assert auc(truth, score) == 1
    assert 0.4 < balanced_threshold(truth, score) < 0.6


def test_a_quiet_threshold_lets_few_negatives_through() -> None:
    score = np.linspace(0, 1, 101, dtype=np.float32)
    at = quiet_threshold(np.zeros(101, np.float32), score, 0.02)
    assert (score > at).mean() <= 0.02
    assert at < 1


def test_a_hand_before_the_mouth_leaves_the_eyes() -> None:
    crop = np.full((64, 64), 180, np.uint8)
    hand = augment.covered_mouth(crop, np.random.default_rng(0))
    assert (hand[:16] == 180).all()
    assert (hand[40:] != 180).mean() > 0.3


def test_the_articles_numbers() -> None:
    assert (augment.MAX_ROTATION_DEGREES, augment.MAX_ZOOM, augment.MAX_LIGHTING) == (25, 1.25, 0.5)
    assert (augment.P_AFFINE, augment.P_LIGHTING, augment.P_CUTOFF) == (0.5, 0.5, 0.25)
    assert augment.CUTOFF_DEPTH == (0.1, 0.25)
    assert augment.CUTOFF_SIDES == (0.34, 0.34, 0.16, 0.16)


def test_the_cutoff_blackens_one_side_as_often_as_it_should() -> None:
    rng = np.random.default_rng(0)
    crop = np.full((64, 64), 200, np.uint8)
    sides = {"top": 0, "bottom": 0, "left": 0, "right": 0}
    for _ in range(2000):
        black = augment.side_cutoff(crop, rng) == 0
        depth = black.sum() / 64
        assert 6 <= depth < 16
        edges = {"top": black[0], "bottom": black[-1], "left": black[:, 0], "right": black[:, -1]}
        (side,) = [name for name, edge in edges.items() if edge.all()]
        sides[side] += 1
    assert [round(count / 2000, 1) for count in sides.values()] == [0.3, 0.3, 0.2, 0.2]


def test_distortions_keep_the_crops_form_and_its_original() -> None:
    rng = np.random.default_rng(1)
    crop = rng.integers(0, 256, (64, 64), dtype=np.uint8)
    before = crop.copy()
    for _ in range(50):
        distorted = augment.webcam_crop(augment.article_distortions(crop, rng), rng)
        assert distorted.shape == (64, 64)
        assert distorted.dtype == np.uint8
    assert np.array_equal(crop, before)


def test_a_cut_face_counts_while_half_of_it_is_in_view() -> None:
    kept, neither = augment.cut_boxes(boxes((-40, 0, 60, 100), (-60, 0, 40, 100), (-95, 0, 5, 100)), 300, 200)
    assert kept.tolist() == [[0, 0, 60, 100]]
    assert neither.tolist() == [[0, 0, 40, 100]]


def test_a_pictures_poor_twin_keeps_its_boxes_inside() -> None:
    frame = np.random.default_rng(2).integers(0, 256, (120, 160, 3), dtype=np.uint8)
    for seed in range(60):
        picture, kept, neither = augment.low_quality(
            frame, boxes((10, 20, 60, 80), (90, 30, 150, 100)), boxes((65, 5, 85, 25)), np.random.default_rng(seed)
        )
        assert picture.dtype == np.uint8
        assert picture.ndim == 3
        assert len(kept) + len(neither) <= 3
        assert len(kept) >= 1
        # What counts neither way moves with the picture.
        assert any(abs(y1 - 5) < 1 for _, y1, _, _ in neither)
        if picture.shape == frame.shape:
            assert [65, 5, 85, 25] in neither.tolist()
        for x1, y1, x2, y2 in (*kept, *neither):
            assert 0 <= x1 < x2 <= picture.shape[1]
            assert 0 <= y1 < y2 <= picture.shape[0]


def ranked(right: str, faces: int, highest: float = 0.9) -> Judged:
    """One picture whose boxes, from `highest` downwards in steps of .02, are right (`1`) or wrong (`0`)."""
    scores = np.array([highest - 0.02 * place for place in range(len(right))], np.float32) + np.float32(0.001)
    found = np.array([letter == "1" for letter in right])
    return Judged(scores, found, np.arange(len(right)), faces, np.full(faces, -1, np.float32))


def test_the_operating_point_takes_what_recall_precision_leaves() -> None:
    # Twenty right boxes, then a wrong one: with it precision would be 20 / 21.
    good = [ranked("1" * 20 + "0" * 3, 20)]
    assert operating_point(good, good) == pytest.approx(0.9 - 0.02 * 19, abs=1e-6)


def test_the_operating_point_stays_above_a_box_in_an_empty_room() -> None:
    good = [ranked("1" * 15, 15)] * 20
    assert operating_point(good, good) < 0.2
    assert operating_point([*good, ranked("0", 0, highest=0.5)], good) == pytest.approx(0.52, abs=1e-6)


def test_the_operating_point_keeps_the_faces_that_an_empty_room_would_cost() -> None:
    # One face in sixteen is less sure than the box in the empty room.
    good = [ranked("1" * 15, 15), ranked("1", 1, highest=0.3)] * 20
    assert operating_point([*good, ranked("0", 0, highest=0.5)], good) == pytest.approx(0.3, abs=1e-6)


def test_the_operating_point_does_not_throw_away_the_faces_of_a_weak_detector() -> None:
    # One right box in the lead, then as many wrong as right: precision is lost at once.
    weak = [ranked("1" + "10" * 12, 13)]
    assert operating_point(weak, weak) < 0.6
