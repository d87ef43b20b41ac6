"""Which role's checks a worker gets."""

from __future__ import annotations

import pytest

from workers import preflight


@pytest.mark.parametrize(
    ("queues", "expected"),
    [(["cpu", "cpu.bulk"], ["cpu"]), ("gpu,gpu.bulk", ["gpu"]), (None, ["cpu", "gpu"]), (["gpu", "cpu"], ["cpu", "gpu"])],
)
def test_the_queues_say_whose_work_it_is(queues: list[str] | str | None, expected: list[str]) -> None:
    assert preflight.roles_of(queues) == expected
