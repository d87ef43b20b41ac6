"""Counts what has ended since this process began, so that Prometheus can form rates: the ledger's ends in, rising counters out."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from shared.catalogue import CLASSIFY_FACES, DETECT_FACES, stage_of
from shared.gauges import End, Gauges, StageSum
from shared.settings import Settings

# One look takes no more ends than this; the next one goes on. At a look every 15 seconds: 3.8 million lessons in eight hours.
MOST_ENDS = 2000
# An end that was written a moment before another may become visible after it.
OVERLAP = timedelta(seconds=10)
STAGE_BOUNDS = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)
LESSON_BOUNDS = (10.0, 30.0, 60.0, 120.0, 300.0, 900.0, 1800.0, 3600.0, 3 * 3600.0, 8 * 3600.0, 24 * 3600.0)


@dataclass
class Histogram:
    """Runs by the first bound that they stay below, and one more bucket for the rest."""

    within: list[int]
    seconds: float = 0.0

    def add(self, within: tuple[int, ...], seconds: float) -> None:
        self.within = [old + new for old, new in zip(self.within, within, strict=True)]
        self.seconds += seconds


@dataclass
class Counts:
    """All counters; each only rises."""

    ended: Counter[str] = field(default_factory=Counter)
    sendings: int = 0
    lessons: Histogram = field(default_factory=lambda: Histogram([0] * (len(LESSON_BOUNDS) + 1)))
    stages: dict[str, Histogram] = field(default_factory=dict)
    items: Counter[str] = field(default_factory=Counter)
    batch_places: Counter[str] = field(default_factory=Counter)
    skipped: Counter[str] = field(default_factory=Counter)

    def add_end(self, end: End) -> None:
        self.ended[end.state] += 1
        self.sendings += end.sendings if end.seconds is not None else 0
        if end.seconds is not None:
            place = bisect_left(LESSON_BOUNDS, end.seconds)
            self.lessons.add(tuple(int(number == place) for number in range(len(LESSON_BOUNDS) + 1)), end.seconds)

    def add_stage(self, stage: StageSum) -> None:
        self.stages.setdefault(stage.stage, Histogram([0] * (len(STAGE_BOUNDS) + 1))).add(stage.within, stage.seconds)
        self.items[stage.stage] += stage.items
        self.batch_places[stage.stage] += stage.batch_places
        self.skipped[stage.stage] += stage.skipped


class Ends:
    """Follows the ledger's ends; used by one thread at a time. What ended before it began is not counted."""

    def __init__(self, gauges: Gauges, settings: Settings) -> None:
        self._gauges, self._batches = gauges, batches_of(settings)
        self._seen: dict[str, datetime] = {}
        self._until: datetime | None = None
        self.counts = Counts()

    def follow(self) -> None:
        """Count what has ended since the last time. Raises what `Gauges` raises; then the next time counts it all."""
        if self._until is None:
            now = self._gauges.now()
            self._seen = {end.event_id: end.ended_at for end in self._gauges.ended_since(now - OVERLAP, MOST_ENDS)}
            self._until = now
            return
        read = self._gauges.ended_since(self._until - OVERLAP, MOST_ENDS + len(self._seen))
        new = [end for end in read if end.event_id not in self._seen]
        stages = self._gauges.stages_of([end.event_id for end in new], STAGE_BOUNDS, self._batches) if new else []
        for end in new:
            self.counts.add_end(end)
        for stage in stages:
            self.counts.add_stage(stage)
        self._seen |= {end.event_id: end.ended_at for end in new}
        self._until = max([self._until, *(end.ended_at for end in new)])
        self._seen = {name: at for name, at in self._seen.items() if at > self._until - OVERLAP}


def batches_of(settings: Settings) -> Mapping[str, int]:
    """How many items of a GPU stage go through a model at once."""
    return {stage_of(DETECT_FACES): settings.detector_batch, stage_of(CLASSIFY_FACES): settings.classifier_batch}
