"""Which results of Celery speak of an erased lesson."""

from __future__ import annotations

import pytest

from workers.forgetting import _names


@pytest.mark.parametrize(
    "said",
    [
        b'{"lesson_id": "l-1", "kind": "x"}',
        b'"frames": {"key": "work/l-1/v1/segment-0000/frames"}',
        b'"exc_message": ["Lesson l-1 rests: ObjectMissing."]',
        b"Lesson l-1: it failed",
        b"that was l-1.",
        b"l-1",
    ],
)
def test_an_id_is_found_wherever_it_stands(said: bytes) -> None:
    assert _names(["other", "l-1"]).search(said)


@pytest.mark.parametrize("said", [b'"l-10"', b'"all-1"', b'"l-1.5"', b'"l-1:a"', b'"x.l-1"', b"work/l-1-b/v1"])
def test_a_longer_id_is_another(said: bytes) -> None:
    assert not _names(["l-1"]).search(said)
