"""A person's label files: what is read from them, and each fault told in one sentence with file and line."""

from __future__ import annotations

from pathlib import Path

import pytest

from shared.errors import LabelsInvalid
from workers.training.labelfiles import ages, boxes, classes, read_labels, refuse_known
from workers.training.splits import split_of


def a_table(folder: Path, text: str, name: str = "labels.csv") -> Path:
    for picture in ("a.png", "b.png", "c.png"):
        (folder / picture).touch()
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def fault(model: str, folder: Path, text: str) -> str:
    """The sentence with which the file is refused."""
    table = a_table(folder, text)

    def read() -> object:
        rows = read_labels(model, [table])
        return ages(rows) if model == "age" else boxes(rows) if model == "detector" else classes(rows)

    with pytest.raises(LabelsInvalid) as refused:
        read()
    message = refused.value.message
    assert "labels.csv" in message
    assert message.endswith(".")
    return message


def test_labels_of_a_smile_file(tmp_path: Path) -> None:
    table = a_table(tmp_path, "file,label,by,created_at\na.png,smile,eva,2026-11-01\nb.png,none,,\nc.png,unsure,,\n")
    found = classes(read_labels("smile", [table]))
    assert [(row.name, label) for row, label in found] == [("a.png", "smile"), ("b.png", "none")]
    assert [row.side for row, _ in found] == [split_of("a.png"), split_of("b.png")]


def test_what_is_not_labelled_yet_is_passed_over(tmp_path: Path) -> None:
    table = a_table(tmp_path, "file,label,age\na.png,smile,\nb.png,,7\n")
    assert [row.name for row, _ in classes(read_labels("smile", [table]))] == ["a.png"]
    assert [(row.name, years) for row, years in ages(read_labels("age", [table]))] == [("b.png", 7.0)]


def test_a_person_stands_on_the_side_of_the_name(tmp_path: Path) -> None:
    rows = read_labels("smile", [a_table(tmp_path, "file,label,person\na.png,smile,xhyA\nb.png,none,xhyB\nc.png,none,xhyD\n")])
    assert [row.side for row in rows] == ["train", "valid", "test"]


def test_a_file_saved_by_a_spreadsheet_with_a_byte_order_mark(tmp_path: Path) -> None:
    assert len(read_labels("smile", [a_table(tmp_path, "\ufefffile,label\r\na.png,smile\r\n")])) == 1


def test_boxes_of_pictures_and_pictures_without_a_face(tmp_path: Path) -> None:
    table = a_table(
        tmp_path, "file,x1,y1,x2,y2,score\na.png,1,2,30,40,.9\na.png,50,2,80,40,.8\na.png,50,2,80,40,.8\nb.png,,,,,\n"
    )
    found = [(row.name, [corners for _, corners in faces]) for row, faces in boxes(read_labels("detector", [table]))]
    assert found == [("a.png", [[1, 2, 30, 40], [50, 2, 80, 40]]), ("b.png", [])]


@pytest.mark.parametrize(
    ("model", "text", "said"),
    [
        ("smile", "", "is empty; its first line names the columns: file,label"),
        ("smile", "picture,label\na.png,smile\n", "has no column file"),
        ("smile", "file,label,mood\na.png,smile,gay\n", "a column “mood” that nobody knows"),
        ("smile", "file;label\na.png;smile\n", "has no column file"),
        ("smile", "file,label\na.png\n", "line 2: the line has another number of cells"),
        ("smile", "file,label\na.png,smile,what\n", "line 2: the line has another number of cells"),
        ("smile", "file,label\nz.png,smile\n", "line 2: there is no file “z.png”"),
        ("smile", "file,label\n,smile\n", "line 2: there is no file “”"),
        ("smile", "file,label\na.png,grin\n", "line 2: “grin” is no label of smile; choose from smile, none, unsure"),
        ("shoulder", "file,label\na.png,elbow\n", "“elbow” is no label of shoulder"),
        ("smile", "file,label\na.png,smile\na.png,none\n", "line 3: “a.png” is “none” here and “smile” in line 2"),
        ("smile", "file,label,split\na.png,smile,exam\n", "“exam” is no split"),
        ("age", "file,age\na.png,old\n", "age is “old”, which is no number"),
        ("age", "file,age\na.png,nan\n", "which is no number"),
        ("age", "file,age\na.png,-3\n", "the age is -3; it is years, 0 to 120"),
        ("age", "file,age\na.png,9\na.png,10\n", "line 3: “a.png” is “10” here and “9” in line 2"),
        ("detector", "file,x1,y1,x2,y2\na.png,10,10,10,40\n", "line 2: the box has no area"),
        ("detector", "file,x1,y1,x2,y2\na.png,10,50,20,40\n", "line 2: the box has no area"),
        ("detector", "file,x1,y1,x2,y2\na.png,10,,20,40\n", "some of the four corners are missing"),
        ("detector", "file,x1,y1,x2,y2\na.png,10,ten,20,40\n", "y1 is “ten”, which is no number"),
        ("detector", "file,x1,y1,x2,y2\na.png,1,1,20,40\na.png,,,,\n", "holds a face and is empty, which line 2 contradicts"),
    ],
)
def test_a_fault_is_told_with_its_line(model: str, text: str, said: str, tmp_path: Path) -> None:
    assert said in fault(model, tmp_path, text)


def test_a_file_that_is_no_text(tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_bytes(b"\xff\xfe\x00binary")
    with pytest.raises(LabelsInvalid, match="is no CSV in UTF-8"):
        read_labels("smile", [tmp_path / "labels.csv"])
    with pytest.raises(LabelsInvalid, match=r"gone\.csv cannot be read: No such file"):
        read_labels("smile", [tmp_path / "gone.csv"])


def test_a_person_on_two_sides_of_the_split_is_refused_by_name(tmp_path: Path) -> None:
    message = fault("smile", tmp_path, "file,label,person,split\na.png,smile,mia,train\nb.png,none,mia,test\n")
    assert "“mia” stands in the test split here and in the train split in line 2" in message


def test_a_picture_of_two_people_is_refused(tmp_path: Path) -> None:
    message = fault("smile", tmp_path, "file,label,person\na.png,smile,mia\na.png,smile,leo\n")
    assert "“a.png” shows “leo” here and “mia” in line 2" in message


def test_nobody_of_the_public_test_split_is_trained_on(tmp_path: Path) -> None:
    public = {tmp_path / "public.png": "xhyD"}  # the test split's, by its name
    named = read_labels("smile", [a_table(tmp_path, "file,label,person,split\na.png,smile,xhyD,train\n")])
    with pytest.raises(LabelsInvalid, match="“xhyD” of the public pictures stands in the test split and cannot stand in train"):
        refuse_known(named, public)
    (tmp_path / "public.png").touch()
    shown = read_labels("smile", [a_table(tmp_path, "file,label,person\npublic.png,smile,xhyA\n")])
    with pytest.raises(LabelsInvalid, match="“xhyD” of the public pictures stands in the test split"):
        refuse_known(shown, public)
    refuse_known(read_labels("smile", [a_table(tmp_path, "file,label,person\na.png,smile,xhyD\n")]), public)
