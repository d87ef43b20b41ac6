"""The drawing of a lesson's states, and the ledger keeping to it: every move from every state, on both databases."""

from __future__ import annotations

from itertools import product

import pytest

from shared import states
from shared.ledger import Ledger
from shared.reel import Reel
from shared.states import ADMIT, CANCEL, ENDS, MOVES, OPEN, OPEN_STATES, WITHDRAW, LessonState, Move, ending
from shared.tables import LessonRow
from tests.ledgers import events_of, put_into, reels_of

REEL = Reel(frames=9, width=320, height=320, bytes=500_000)
EVERY_MOVE = [(move, target) for move in MOVES for target in sorted(move.enters)]
FROM_EVERY_STATE = [
    pytest.param(state, move, target, id=f"{state}-{move.name}-{target}")
    for state, (move, target) in product(LessonState, EVERY_MOVE)
]


def make(ledger: Ledger, move: Move, target: LessonState) -> bool:
    """The move, as whoever may make it does."""
    if move is ADMIT:
        return ledger.admit("lesson-1", 0, places=1, lease_seconds=60)
    if move is OPEN:
        return ledger.reopen("lesson-1")
    if move is CANCEL:
        return ledger.cancel("lesson-1")
    if move is WITHDRAW:
        with ledger.database.transaction() as session:
            return ledger.withdraw(session, session.get_one(LessonRow, "lesson-1"))
    return ledger.finish("lesson-1", target, "why", reel=REEL if target is LessonState.DONE else None)


@pytest.mark.parametrize(("state", "move", "target"), FROM_EVERY_STATE)
def test_every_move_from_every_state(ledger: Ledger, state: LessonState, move: Move, target: LessonState) -> None:
    put_into(ledger, state)
    before, told, reels = ledger.require("lesson-1"), events_of(ledger), reels_of(ledger)
    allowed = make(ledger, move, target)
    assert allowed == (state in move.leaves)
    after = ledger.require("lesson-1")
    if not allowed:
        assert (after, events_of(ledger), reels_of(ledger)) == (before, told, reels), "what is refused changes nothing"
        return
    assert after.state is target
    if move is ADMIT:
        assert after.lease_until is not None
        assert events_of(ledger) == told
    elif move is OPEN:
        assert (after.attempts, after.lease_until, after.reason) == (0, None, None)
        assert after.generation > before.generation
        assert events_of(ledger) == told
    else:
        reason = {CANCEL: "cancelled by the backend", WITHDRAW: "consent was withdrawn"}.get(move, "why")
        assert (after.reason, after.lease_until) == (reason, None)
        assert events_of(ledger) == [*told, (1 + len(told), target)]
        assert len(reels_of(ledger)) == (target is LessonState.DONE)


def test_the_drawing_names_every_state_and_move() -> None:
    drawing = states.__doc__ or ""
    assert all(state in drawing for state in LessonState)
    assert all(move.name.upper() in drawing for move in MOVES)


def test_every_state_is_open_or_an_end_and_can_be_left_and_entered() -> None:
    assert set(LessonState) == OPEN_STATES | ENDS
    assert not OPEN_STATES & ENDS
    assert all(state.final == (state in ENDS) for state in LessonState)
    assert frozenset().union(*(move.leaves for move in MOVES)) == set(LessonState)
    assert frozenset().union(*(move.enters for move in MOVES)) == set(LessonState)
    assert {move for move in MOVES if move.leaves & ENDS} == {OPEN, WITHDRAW}, "nothing else leaves an end"


@pytest.mark.parametrize("state", sorted(LessonState))
def test_each_end_has_one_move_that_leads_there(state: LessonState) -> None:
    if state in ENDS:
        assert [move for move in MOVES if state in move.enters and move is not WITHDRAW] == [ending(state)]
    else:
        with pytest.raises(ValueError, match="is no end"):
            ending(state)
