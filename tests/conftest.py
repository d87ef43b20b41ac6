"""What holds for all tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def no_connection_outlives_its_test() -> Iterator[None]:
    """The client keeps its connections; a test's database goes with the test."""
    yield
    from shared.client import close

    close()
