"""What a check found out: a verdict, a sentence, and what to do. Made by the checks, told by the command and by `preflight.py`."""

from __future__ import annotations

from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field


class Verdict(StrEnum):
    """How it stands."""

    OK = "ok"
    WARNING = "warning"
    FAILURE = "failure"


class Finding(BaseModel):
    """One line of the doctor; `check` is a name that stays, as `docs/doctor.md` lists them."""

    model_config = ConfigDict(frozen=True)

    check: str = Field(description="Which check it was, like redis.eviction; docs/doctor.md has a line for each.")
    verdict: Verdict
    sentence: str = Field(description="What was found, in one sentence, without names and passwords.")
    advice: str = Field("", description="What to do; empty where there is nothing to do.")
    passes: bool = Field(False, description="Of a failure: a part is away or full, and may come back by itself.")

    @property
    def subject(self) -> str:
        """The part that was looked at: redis, database, store..."""
        return self.check.partition(".")[0]

    @property
    def told(self) -> str:
        """The sentence with what to do."""
        return f"{self.sentence.rstrip('.')}; {self.advice}" if self.advice else self.sentence

    @property
    def refuses(self) -> bool:
        """Whether a process should not even start: something is wrong, not merely away."""
        return self.verdict is Verdict.FAILURE and not self.passes


class Report(BaseModel):
    """What `smilereel doctor --json` prints."""

    model_config = ConfigDict(frozen=True)

    release: str = Field(description="The release of smilereel that looked.")
    role: str | None = Field(description="Whose needs were looked at; null: everybody's.")
    embedded: bool = Field(description="Nothing was configured: the parts of an embedded run were started, checked and stopped.")
    ok: bool = Field(description="There is no failure.")
    findings: list[Finding]


def ok(check: str, sentence: str) -> Finding:
    """All is well."""
    return Finding(check=check, verdict=Verdict.OK, sentence=sentence)


def warning(check: str, sentence: str, advice: str) -> Finding:
    """It works, and an operator should know."""
    return Finding(check=check, verdict=Verdict.WARNING, sentence=sentence, advice=advice)


def failure(check: str, sentence: str, advice: str) -> Finding:
    """It is wrong, and stays wrong until somebody mends it."""
    return Finding(check=check, verdict=Verdict.FAILURE, sentence=sentence, advice=advice)


def away(check: str, sentence: str, advice: str) -> Finding:
    """It does not work now, and may by itself."""
    return Finding(check=check, verdict=Verdict.FAILURE, sentence=sentence, advice=advice, passes=True)
