"""A batch is halved when the device runs out of memory, and nothing is lost or done twice."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch

from workers.gpu.batching import run_in_batches


def test_out_of_memory_halves_the_batch_and_goes_on() -> None:
    sizes: list[int] = []

    def run(batch: Sequence[int]) -> list[int]:
        sizes.append(len(batch))
        if len(sizes) == 1:
            raise torch.OutOfMemoryError
        return [item * 10 for item in batch]

    assert run_in_batches(range(10), 8, run) == [item * 10 for item in range(10)]
    assert sizes == [8, 4, 4, 2]


def test_a_single_item_that_does_not_fit_is_an_error() -> None:
    def run(batch: Sequence[int]) -> list[int]:
        raise torch.OutOfMemoryError

    with pytest.raises(torch.OutOfMemoryError):
        run_in_batches([1, 2, 3], 4, run)


def test_nothing_in_nothing_out() -> None:
    assert run_in_batches([], 4, lambda batch: [1 / 0]) == []


def test_a_batch_of_none_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one"):
        run_in_batches([1], 0, list)
