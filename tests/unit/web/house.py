"""A ledger and a store with lessons in every state, made by hand, for the pages to show. Also used by the tests in a browser."""

from __future__ import annotations

import io
import json
import math
from contextlib import closing
from datetime import timedelta
from functools import cache
from pathlib import Path

from PIL import Image, ImageSequence
from sqlalchemy import update

from shared.ledger import Ledger, LessonState, open_ledger
from shared.lesson import at_second
from shared.records import to_iso
from shared.reel import NoReelReason, Reel
from shared.settings import Settings
from shared.store import Store, output_key, store_of
from shared.tables import LessonRow
from shared.told import Gap, LessonTold, Presence, Second
from tests.builders import STARTS_AT, a_lesson, a_plan
from workers.cpu.publish import seconds_csv

DEMO_REEL = Path(__file__).parents[3] / "docs" / "demo-reel.gif"
N_SECONDS = 900
CONSENT = {"process": True, "reel": True, "email": True, "analytics": True}
HTML = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'; DROP TABLE lesson; --"
LONGEST_ID = "lesson-" + "x" * 121
DONE, WAITING, QUARANTINED, NO_ANALYTICS = "lesson-2026-11-20-anna", "lesson-waiting", "lesson-set-aside", "lesson-no-analytics"


def settings_in(folder: Path, **changes: object) -> Settings:
    """Everything below one folder, and no Redis."""
    values: dict[str, object] = {
        "database_url": f"sqlite:///{folder}/ledger.sqlite3",
        "store_url": f"file://{folder}/store",
        "redis_url": f"redis+socket://{folder}/none.sock",
        "web_password_file": folder / "web-password",
    }
    return Settings.model_validate({**values, **changes})


@cache
def reel_files() -> dict[str, bytes]:
    """The documentation's reel, made of public-domain portraits, with its poster and all its moments."""
    gif = DEMO_REEL.read_bytes()
    with Image.open(io.BytesIO(gif)) as reel:
        frames = [frame.convert("RGB").resize((200, 200)) for frame in ImageSequence.Iterator(reel)]
    columns = 3
    sheet = Image.new("RGB", (columns * 200, math.ceil(len(frames) / columns) * 200))
    for index, frame in enumerate(frames):
        sheet.paste(frame, (index % columns * 200, index // columns * 200))
    return {"reel.gif": gif, "poster.jpg": _jpeg(frames[0]), "contact-sheet.jpg": _jpeg(sheet)}


def _jpeg(picture: Image.Image) -> bytes:
    out = io.BytesIO()
    picture.save(out, "JPEG")
    return out.getvalue()


def n_moments() -> int:
    with Image.open(DEMO_REEL) as reel:
        return int(getattr(reel, "n_frames", 1))


def furnish(settings: Settings) -> None:
    """Lessons in all states; a reel, a report and poor connections among them."""
    with closing(open_ledger(settings.database_url)) as ledger:
        ledger.create_schema()
        store = store_of(settings)
        done_lesson(ledger, store, DONE, pupil_id="pupil-7", n_gaps=6)
        done_lesson(ledger, store, NO_ANALYTICS, consent={**CONSENT, "analytics": False}, n_gaps=1)
        for index, (state, reason) in enumerate(
            [
                (LessonState.NO_REEL, NoReelReason.TOO_FEW_SMILES),
                (LessonState.REFUSED, "The recording student.mp4 cannot be decoded: it ends in the middle of its first picture."),
                (LessonState.CANCELLED, None),
            ]
        ):
            ended(ledger, f"lesson-{index}-{state}", state, reason)
        ended(ledger, QUARANTINED, LessonState.QUARANTINED, f"5 sendings without any progress: {HTML}")
        ledger.accept(a_lesson(lesson_id=WAITING))
        ledger.accept(a_lesson(lesson_id="lesson-in-work"))
        ledger.admit("lesson-in-work", 0, places=100, lease_seconds=60)
        ledger.planned("lesson-in-work", "v1", 2, {})
        for stage in ("plan_lesson", "decode_segment", "detect_faces"):
            ledger.runs.started("lesson-in-work", "v1", stage, 0)
            ledger.runs.finished("lesson-in-work", "v1", stage, 0, seconds=1, items=60)


def lengthen(settings: Settings) -> None:
    """The longest texts there can be, for the pages to hold."""
    with closing(open_ledger(settings.database_url)) as ledger:
        ended(ledger, LONGEST_ID, LessonState.QUARANTINED, "x" * 1000)
        done_lesson(ledger, store_of(settings), LONGEST_ID[:-1], pupil_id="p" * 128, n_gaps=2)
        with ledger.database.transaction() as session:
            ledger.audit.note(session, "w" * 128, "cancel", "lesson", LONGEST_ID, "d" * 200)


def ended(ledger: Ledger, lesson_id: str, state: LessonState, reason: str | None) -> None:
    """A lesson at an end, without files."""
    ledger.accept(a_lesson(lesson_id=lesson_id, consent=CONSENT))
    ledger.admit(lesson_id, 0, places=100, lease_seconds=60)
    assert ledger.finish(lesson_id, state, reason)


def done_lesson(
    ledger: Ledger,
    store: Store,
    lesson_id: str,
    *,
    pupil_id: str | None = None,
    consent: dict[str, bool] | None = None,
    n_gaps: int = 0,
    version: str = "v1",
) -> None:
    """A lesson with a reel, its files and its rows."""
    ledger.accept(a_lesson(lesson_id=lesson_id, pupil_id=pupil_id, consent=consent or CONSENT))
    ledger.admit(lesson_id, 0, places=100, lease_seconds=60)
    ledger.planned(lesson_id, version, 1, {})
    gaps = [Gap("student", at_second(STARTS_AT, 60.0 * i), at_second(STARTS_AT, 60.0 * i + 25)) for i in range(1, n_gaps + 1)]
    gaps += [Gap("teacher", at_second(STARTS_AT, 500), at_second(STARTS_AT, 560))] if n_gaps else []
    seconds = [_second(second) for second in range(N_SECONDS)]
    presence = Presence(N_SECONDS, 750, 840, 740, 700, 600, 60, 45, 20)
    ledger.told.write(lesson_id, LessonTold(STARTS_AT, STARTS_AT + timedelta(seconds=N_SECONDS), gaps, presence, seconds))
    files = {
        **reel_files(),
        "lesson.json": json.dumps(lesson_record(lesson_id, gaps)).encode(),
        "seconds.csv": seconds_csv(a_plan(N_SECONDS), seconds),
    }
    for name, data in files.items():
        store.put(output_key(lesson_id, version, name), data)
    reel = Reel(frames=n_moments(), width=320, height=320, bytes=len(files["reel.gif"]))
    assert ledger.finish(lesson_id, LessonState.DONE, None, reel=reel)


def _second(second: int) -> Second:
    wave = 0.5 + 0.45 * math.sin(second / 40)
    return Second(second, True, True, 1, 1, 0, p_smile=0.7777, p_child=0.95, p_adult_face=0.05, p_parent_shoulder=round(wave, 4))


def lesson_record(lesson_id: str, gaps: list[Gap]) -> dict[str, object]:
    """A lesson.json."""
    sides = ("student", "teacher")
    return {
        "schema_version": 1,
        "lesson_id": lesson_id,
        "status": "done",
        "starts_at": to_iso(STARTS_AT),
        "ends_at": to_iso(at_second(STARTS_AT, N_SECONDS)),
        "disconnects": {
            side: [{"from": to_iso(gap.starts_at), "to": to_iso(gap.ends_at)} for gap in gaps if gap.side == side]
            for side in sides
        },
        "moments": [
            {"pts_seconds": 90.5 * (i + 1), "at": to_iso(at_second(STARTS_AT, 90.5 * (i + 1))), "p_smile": 0.7777}
            for i in range(n_moments())
        ],
        "parent_shoulder": [{"from": to_iso(at_second(STARTS_AT, 40)), "to": to_iso(at_second(STARTS_AT, 85))}],
        "skipped": [{"side": "student", "recording": 0, "from_second": 5, "to_second": 9, "reason": "unreadable"}],
    }


def set_reason(ledger: Ledger, lesson_id: str, reason: str) -> None:
    """Whatever somebody may have got into it."""
    with ledger.database.transaction() as session:
        session.execute(update(LessonRow).where(LessonRow.lesson_id == lesson_id).values(reason=reason))
