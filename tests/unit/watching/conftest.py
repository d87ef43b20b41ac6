"""A real Valkey for the module's tests, and what a scrape says as numbers."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.services.valkey import Valkey

Page = dict[tuple[str, frozenset[tuple[str, str]]], float]


@pytest.fixture(scope="module")
def valkey() -> Iterator[Valkey]:
    with Valkey() as started:
        yield started


def read_page(text: str) -> Page:
    """Each sample by its name and labels."""
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def value(page: Page, name: str, **labels: str) -> float | None:
    """The sample, None where there is none."""
    return page.get((name, frozenset(labels.items())))
