"""A lesson's states, and who may move it from one to the next: the one place that says so. The ledger carries the moves out.

                       ┌─────────── OPEN: an operator, the backend, a run with other files or settings ───────────┐
                       v                                                                                          │
    client ─────> accepted ──ADMIT: plan──> processing ──PUBLISH: publish──────────> done | no_reel ──────────────┤
                       │                        │                                                                 │
                       ├────────────────────────┴── REFUSE: a stage, the input is at fault ──────> refused ───────┤
                       ├────────────────────────┴── SET_ASIDE: after K attempts, or hopeless ────> quarantined ───┤
                       └────────────────────────┴── CANCEL: the backend ─────────────────────────> cancelled ─────┘
                                                    WITHDRAW: the family, from any state ────────> cancelled

`accepted` waits for a place, `processing` has one; the other five are ends. Each move is one transaction that checks the state it
leaves; a move of an earlier sending than the newest one is refused likewise.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class LessonState(StrEnum):
    """Where a lesson stands."""

    ACCEPTED = "accepted"
    PROCESSING = "processing"
    DONE = "done"
    NO_REEL = "no_reel"
    REFUSED = "refused"
    QUARANTINED = "quarantined"
    CANCELLED = "cancelled"

    @property
    def final(self) -> bool:
        return self in ENDS


OPEN_STATES = frozenset({LessonState.ACCEPTED, LessonState.PROCESSING})
ENDS = frozenset(LessonState) - OPEN_STATES


@dataclass(frozen=True, slots=True)
class Move:
    """From which states to which, and who makes it."""

    name: str
    leaves: frozenset[LessonState]
    enters: frozenset[LessonState]
    by: str


ADMIT = Move("admit", OPEN_STATES, frozenset({LessonState.PROCESSING}), "the plan stage, once there is a place")
PUBLISH = Move(
    "publish",
    frozenset({LessonState.PROCESSING}),
    frozenset({LessonState.DONE, LessonState.NO_REEL}),
    "the publish stage",
)
REFUSE = Move("refuse", OPEN_STATES, frozenset({LessonState.REFUSED}), "any stage that finds the input at fault")
SET_ASIDE = Move(
    "set_aside", OPEN_STATES, frozenset({LessonState.QUARANTINED}), "the reconciler after K attempts, a stage that cannot go on"
)
CANCEL = Move("cancel", OPEN_STATES, frozenset({LessonState.CANCELLED}), "the backend")
WITHDRAW = Move(
    "withdraw",
    frozenset(LessonState) - {LessonState.CANCELLED},
    frozenset({LessonState.CANCELLED}),
    "the family, by withdrawing `consent.process`",
)
OPEN = Move("open", ENDS, frozenset({LessonState.ACCEPTED}), "an operator, the backend, a run with other files or settings")

MOVES = (ADMIT, PUBLISH, REFUSE, SET_ASIDE, CANCEL, WITHDRAW, OPEN)


def ending(state: LessonState) -> Move:
    """The move that leads to this end.

    Raises:
        ValueError: it is no end.
    """
    for move in (PUBLISH, REFUSE, SET_ASIDE, CANCEL):
        if state in move.enters:
            return move
    raise ValueError(f"{state} is no end")
