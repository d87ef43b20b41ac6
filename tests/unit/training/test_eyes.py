"""Labels made by eye: what is read, what is refused, and that the committed ones can be used."""

from __future__ import annotations

from pathlib import Path

import pytest

from workers.training.eyes import CHILDREN, LFW, looks
from workers.training.splits import aaf_group, age_owner, utk_group


def table(folder: Path, *rows: str) -> Path:
    path = folder / "looks.csv"
    path.write_text("\n".join(["file,label,detail", *rows]) + "\n", encoding="utf-8")
    return path


def test_a_label_says_whether_a_face_smiles(tmp_path: Path) -> None:
    found = looks(table(tmp_path, "a.jpg,smile,restrained", "b.jpg,none,crying", "c.jpg,unsure,"))
    assert [found[name].target for name in ("a.jpg", "b.jpg", "c.jpg")] == [1.0, 0.0, None]
    assert found["a.jpg"].detail == "restrained"


@pytest.mark.parametrize("row", ["a.jpg,grin,open", "a.jpg,smile,crying", "a.jpg,none,", "a.jpg,unsure,open"])
def test_a_label_nobody_knows_is_refused_with_its_line(tmp_path: Path, row: str) -> None:
    with pytest.raises(ValueError, match="line 3: nobody knows the label"):
        looks(table(tmp_path, "0.jpg,smile,open", row))


def test_a_face_labelled_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"line 3: a\.jpg is labelled twice"):
        looks(table(tmp_path, "a.jpg,smile,open", "a.jpg,none,neutral"))


def test_the_committed_labels_are_enough_children_of_each_kind() -> None:
    children = looks(CHILDREN)
    smiles = sum(look.target == 1 for look in children.values())
    others = sum(look.target == 0 for look in children.values())
    assert smiles >= 600
    assert others >= 600
    assert len(looks(LFW)) > 6000


def test_neighbours_in_origin_stand_on_one_side() -> None:
    assert aaf_group("aaf96/00261A05.jpg") == aaf_group("images/aaf_00262A05.jpg")
    assert aaf_group("aaf96/00261A05.jpg") != aaf_group("aaf96/00281A05.jpg")
    first = "utk64/8_1_3_20161220222819947.jpg"
    assert utk_group(first) == utk_group("utk64/7_1_3_20161220222902435.jpg".replace("2229", "2228"))
    assert age_owner(first) == utk_group(first)
    assert age_owner("aaf96/00261A05.jpg") == aaf_group("aaf96/00261A05.jpg")


@pytest.mark.parametrize(("group", "file"), [(aaf_group, "portrait_0001.jpg"), (utk_group, "aaf96/00261A05.jpg")])
def test_a_file_of_another_set_has_no_group(group: object, file: str) -> None:
    assert callable(group)
    with pytest.raises(ValueError, match="is not named like a picture of"):
        group(file)
