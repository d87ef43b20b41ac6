"""Archives as the data folder has them, with no pictures, or with small ones of noise."""

from __future__ import annotations

from pathlib import Path

HEADS = {
    "smile/labels.csv": "file,label,source,identity,same_photo_as,match_ncc,other_label",
    "age/labels.csv": "file,age,group,source,identity",
    "det/images.csv": "file,width,height,n_faces,source,person,how_labelled",
    "det/boxes.csv": "file,x1,y1,x2,y2",
    "cutouts/cutouts.csv": "file,width,height,tag,n_faces,face_x1,face_y1,face_x2,face_y2",
}


def empty_archives(folder: Path) -> Path:
    """A data folder whose label files have no rows."""
    for name, head in HEADS.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(head + "\n", encoding="utf-8")
    return folder
