"""The doctor called as from a shell, and what its checks tell."""

from __future__ import annotations

from collections.abc import Iterable

from tests.unit.commands.conftest import Said, Smilereel, environment, smilereel
from workers.doctor.findings import Finding

__all__ = ["Said", "Smilereel", "environment", "smilereel"]


def told(findings: Iterable[Finding], verdict: str) -> dict[str, str]:
    """The sentences of this verdict, by check."""
    return {finding.check: finding.told for finding in findings if finding.verdict == verdict}
