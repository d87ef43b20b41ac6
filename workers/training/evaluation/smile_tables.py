"""The smile model's tables: the headline, its operating point, how children look, the unsure, slices, reliability."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from workers.training.archive import Archive
from workers.training.evaluation import slices
from workers.training.evaluation.calibration import Reliability, reliability, reliability_table
from workers.training.evaluation.operating import auc_row, enough_of_both, operating_table, person_slices
from workers.training.evaluation.samples import Children, Sample
from workers.training.evaluation.smiles import Press, headline_table
from workers.training.evaluation.tables import Cell, Table
from workers.training.evaluation.verdicts import noise_tables, verdicts


def smile_tables(children: Children, press: Press, archive: Archive, threshold: float) -> Iterator[Table]:
    """All tables; `archive` is `age`, whose pictures of the children have the colour that the crops lack."""
    yield headline_table(children, press)
    grown, agreed = children.at(children.grown), press.faces.at(press.agreed)
    sides = {"children": grown.faces, "LFW on which two sets agree": agreed, "LFW at 48 px": press.small}
    yield operating_table("smile", "Smile", sides, threshold)
    yield _detail_table(children.at(children.faces.known), threshold)
    yield _unsure_table(children.faces.at(~children.faces.known), threshold)
    yield _slice_table(archive, grown, agreed)
    seen = verdicts()
    yield from noise_tables("smile.children", "Smile, children", grown.faces, seen)
    yield from noise_tables("smile.lfw", "Smile, LFW on which two sets agree", agreed, seen)
    yield reliability_table("smile", smile_reliability(children, press))


def smile_reliability(children: Children, press: Press) -> Reliability:
    """Over the children about whom a person was sure and the agreed LFW faces together."""
    sides = (children.faces.at(children.grown), press.faces.at(press.agreed))
    return reliability(np.concatenate([side.truth for side in sides]), np.concatenate([side.score for side in sides]))


def _detail_table(children: Children, threshold: float) -> Table:
    """How often each look counts as a smile."""
    rows: list[dict[str, Cell]] = []
    for truth, name in ((1, "smile"), (0, "none")):
        for detail in sorted(set(children.details[children.faces.truth == truth].tolist())):
            score = children.faces.score[(children.details == detail) & (children.faces.truth == truth)]
            called, middle = float((score >= threshold).mean()), float(np.median(score))
            rows.append({"label": f"{name}: {detail}", "n": len(score), "called a smile": called, "median P(smile)": middle})
    return Table("smile.details", "Children by how they look, at the released threshold", rows)


def _unsure_table(unsure: Sample, threshold: float) -> Table:
    """Where the scores lie of faces about which a person could not decide."""
    counts, edges = np.histogram(unsure.score, bins=10, range=(0, 1))
    rows: list[dict[str, Cell]] = [
        {"P(smile) from": float(low), "to": float(high), "n": int(n)}
        for n, low, high in zip(counts, edges, edges[1:], strict=False)
    ]
    called = int((unsure.score >= threshold).sum())
    return Table(
        "smile.unsure", "Children about whom a person was unsure", rows, [f"{called} of {len(unsure)} are called a smile."]
    )


def _slice_table(archive: Archive, children: Children, agreed: Sample) -> Table:
    bands = slices.banded(children.ages.tolist(), slices.AGE_BANDS, slices.OLDEST_BAND)
    rows = _slices(children.faces, {"age": bands, **person_slices(archive, children.faces)}, "children, ")
    rows += _slices(agreed, {"light": slices.light(agreed.crops)}, "LFW, ")
    notes = ["Glasses: no set says who wears them. Skin tone: the room's light is in it; LFW is grey here."]
    return Table("smile.slices", "Smile by slice: area under the ROC curve", rows, notes)


def _slices(of: Sample, by: dict[str, slices.Names], prefix: str) -> list[dict[str, Cell]]:
    named = {f"{prefix}{kind}": names for kind, names in by.items()}
    return slices.slice_rows(named, lambda mask: auc_row(of.at(mask)), lambda mask: enough_of_both(of.at(mask)))
