"""All environment in one place, read once by the doors (`tasks.py`, the client, the command line); stages get plain values."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict, SettingsError

from .errors import SettingsInvalid
from .secret_files import read_secret, with_password

PREFIX = "SMILEREEL_"


class Settings(BaseSettings):
    """Every setting, its default and its explanation; `smilereel settings` prints them with where each came from."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, extra="forbid", frozen=True)

    redis_url: str = Field(
        "redis://127.0.0.1:6379/0",
        pattern=r"^(rediss?|redis\+socket)://",
        description="Broker and result backend (redis:// or redis+socket://).",
    )
    redis_password_file: Path | None = Field(None, description="File with the password of the user in SMILEREEL_REDIS_URL.")
    database_url: str = Field("sqlite:///smilereel.sqlite3", description="The ledger: an SQLAlchemy URL.")
    database_password_file: Path | None = Field(None, description="File with the password of the user in SMILEREEL_DATABASE_URL.")
    store_url: str = Field(
        "file:///var/lib/smilereel/store", description="Where frames, crops and reels lie: file:///folder or s3://bucket/prefix."
    )
    s3_endpoint: str = Field("", description="Address of the S3 server; empty: Amazon's, by the region.")
    s3_region: str = Field("us-east-1", description="Region of the bucket.")
    s3_access_key_id: str = Field("", description="Key of the S3 user.")
    s3_secret_access_key: SecretStr = Field(SecretStr(""), description="Secret of the S3 user.")
    s3_secret_access_key_file: Path | None = Field(None, description="File with that secret, in place of the setting above.")
    s3_allow_http: bool = Field(False, description="Speak to the S3 server without TLS.")
    media_root: Path = Field(Path("/var/lib/smilereel/media"), description="Folder that relative recording paths count from.")

    media_hosts: tuple[str, ...] = Field((), description="Hosts (or host:port) that https recordings may come from, as JSON.")
    media_private_hosts: tuple[str, ...] = Field((), description="Such hosts that may lie at private addresses, as JSON.")
    media_ca_file: Path | None = Field(None, description="Certificates of those hosts' authority, instead of the system's.")
    scratch_folder: Path | None = Field(None, description="Where a download lies while it is read; by default the system's.")
    fetch_seconds: float = Field(600.0, gt=0, description="A download that takes longer is given up for now.")
    media_max_bytes: int = Field(8 * 2**30, ge=1, description="A larger recording is refused.")
    media_max_pixels: int = Field(4096 * 4096, ge=1, description="A recording with larger pictures is refused.")
    media_max_seconds: float = Field(12 * 3600.0, gt=0, description="A longer recording is refused.")
    media_max_packets: int = Field(10_000_000, ge=1, description="A recording of more packets is refused.")
    media_max_cpu_seconds: float = Field(600.0, gt=0, description="Processor time of one look at a recording.")
    cpu_child_memory_bytes: int = Field(
        2 * 2**30, ge=0, description="How much a CPU worker's child may grow before what it does counts as failed; 0: no limit."
    )

    lease_seconds: float = Field(10.0, ge=1, le=300, description="A lesson that nobody worked on for so long is sent again.")
    lesson_attempts: int = Field(
        5, ge=1, le=100, description="Sendings of a lesson without any progress before it is set aside as quarantined."
    )
    lessons_in_work: int = Field(32, ge=1, description="So many lessons have a place; the others wait until one is free.")
    bulk_share: float = Field(
        0.75, gt=0, le=1, description="Lessons in bulk take at most this part of the places, so that a fresh one finds one free."
    )
    store_max_bytes: int = Field(0, ge=0, description="No new lesson starts while the work in the store is larger; 0: no limit.")
    reconcile_seconds: float = Field(2.0, ge=0.1, le=600, description="How often lost lessons are looked for and sent again.")
    warm_up_seconds: float = Field(
        300.0, gt=0, le=3600, description="A GPU worker whose models are not ready by then ends, and takes no work."
    )
    alive_file: str = Field("", description="A file that workers and beat touch while they do their work; empty: none.")
    reconcile_in_worker: bool = Field(True, description="CPU workers look for lost lessons themselves, besides beat.")
    shutdown_grace_seconds: float = Field(
        100.0, ge=0.1, le=3600, description="A worker told to end (SIGTERM) hands back what it has not finished by then."
    )
    sweep_seconds: float = Field(60.0, ge=0.5, description="How often what ended or dead runs left in the store is swept.")
    sweep_unknown_hours: float = Field(
        24.0,
        ge=0,
        description="Outputs of a lesson that the ledger does not know, as after a restore, stay in the store this long.",
    )

    log_format: Literal["json", "text", "auto"] = Field(
        "text", description="What workers, beat, web and metrics log: JSON or text lines; auto: text on a terminal, else JSON."
    )
    metrics_password_file: Path | None = Field(
        None, description="File with the password of the user `metrics` on the endpoint of `smilereel metrics`."
    )

    models: Literal["released", "stand_in"] = Field("released", description="stand_in: made-up scores, for fault runs only.")
    stand_in_frame_seconds: float = Field(
        0.0, ge=0, le=60, description="How long the stand-in sleeps over a frame, for figures of scaling; 0: not at all."
    )
    weights: str = Field(
        "",
        pattern=r"^[A-Za-z0-9._]{0,32}$",
        description="Of CPU workers: version of the weights that new lessons are looked at with; empty: this release's.",
    )
    poison: bool = Field(False, description="A magenta picture kills the process that looks at it: for fault runs only.")
    device: Literal["auto", "cpu", "cuda"] = Field("auto", description="What the GPU worker computes on.")
    torch_threads: int = Field(0, ge=0, le=256, description="Threads of one model process on the CPU; 0: one for each core.")
    detector_batch: int = Field(8, ge=1, le=512, description="Frames that go through the detector at once.")
    classifier_batch: int = Field(64, ge=1, le=4096, description="Faces that go through the classifiers at once.")

    reel_approval: bool = Field(
        False, description="Of the workers: nobody finds a reel that they make before a person has approved it."
    )
    reel_base_url: str = Field("", description="Address before a reel's key in the store, where something serves them.")
    reel_address_seconds: float = Field(
        7 * 86400.0, gt=0, le=7 * 86400, description="How long a signed address of a reel is good, on S3; no longer than a week."
    )
    webhook_url: str = Field("", description="https address that is told of each lesson's end; empty: none.")
    webhook_secrets: tuple[SecretStr, ...] = Field(
        (), description='Keys that sign it, as JSON, like ["whsec_…"]; the newest first, older ones while they are rotated.'
    )
    webhook_secrets_file: Path | None = Field(
        None, description="File with those keys, one a line, in place of the setting above."
    )
    webhook_private: bool = Field(False, description="The webhook may lie at a private address.")
    webhook_ca_file: Path | None = Field(None, description="Certificates of its host's authority, instead of the system's.")
    webhook_attempts: int = Field(12, ge=1, le=100, description="Tries of a webhook before it is given up.")
    labels_folder: Path | None = Field(
        None,
        description="Label files and training manifests: of those with a column lesson_id, erased lessons' lines and pictures go.",
    )
    retention_scores_days: float = Field(
        90.0, ge=0, description="Seconds of lessons are kept for analysts this long; 0: for ever."
    )
    retention_reel_days: float = Field(365.0, ge=0, description="Reels and lesson records are kept this long; 0: for ever.")
    retention_ledger_days: float = Field(0.0, ge=0, description="Ended lessons stay in the ledger this long; 0: for ever.")
    retention_marks_days: float = Field(
        0.0,
        ge=0,
        description="Marks of erasures and changed consent in the store; keep them longer than backups. 0: for ever.",
    )

    mood_analytics: bool = Field(False, description="Write lessons' smile scores out; off, they are deleted after picking.")

    disconnect_tolerance_seconds: float = Field(
        2.0, ge=0, le=600, description="A shorter gap between recordings is no disconnect."
    )
    min_lesson_seconds: int = Field(9, ge=1, description="A shorter lesson gets no reel (too_short).")
    max_lesson_seconds: int = Field(6 * 3600, ge=1, description="A longer lesson is refused.")
    segment_seconds: int = Field(64, ge=1, le=600, description="Seconds of video in one unit of work.")
    frame_longest_side: int = Field(640, ge=64, le=4096, description="Sampled frames are stored no larger than this, in pixels.")
    frame_jpeg_quality: int = Field(92, ge=50, le=100, description="JPEG quality of stored frames.")
    decode_threads: int = Field(2, ge=1, le=64, description="Threads of one video decoder.")
    segment_attempts: int = Field(3, ge=1, le=10, description="Tries of a segment before the lesson goes on without it.")

    reel_frames: int = Field(9, ge=2, le=30, description="Moments in a reel; with fewer good ones there is no reel.")
    reel_side: int = Field(320, ge=64, le=1024, description="Width and height of the reel in pixels.")
    reel_max_bytes: int = Field(1_000_000, ge=20_000, description="The GIF steps down in colours and size to stay below.")
    reel_frame_seconds: float = Field(
        0.5, ge=0.1, le=10, description="How long each picture stands; the last stands twice as long."
    )
    reel_loops: int = Field(0, ge=0, description="How often the GIF plays; 0: for ever.")
    reel_spread_seconds: float = Field(20.0, ge=1, description="Wished distance of moments; shrinks in short or poor lessons.")
    min_p_smile: float = Field(0.6, ge=0, le=1, description="A moment's face smiles at least this surely.")
    min_p_child: float = Field(0.5, ge=0, le=1, description="A face counts as a child's from here on.")
    min_p_child_in_reel: float = Field(0.7, ge=0, le=1, description="A moment's face is a child's at least this surely.")
    max_p_parent_shoulder: float = Field(0.5, ge=0, le=1, description="Above, somebody sits beside the child: no moment.")
    min_face_side: int = Field(36, ge=8, description="Smallest face of a moment, in pixels of the stored frame.")

    smtp_url: str = Field(
        "smtp://127.0.0.1:25", description="Where e-mails are handed in: smtp+starttls:// (587), smtps:// (465) or smtp:// (25)."
    )
    smtp_ca_file: Path | None = Field(None, description="Certificates of the mail server's authority, instead of the system's.")
    smtp_timeout_seconds: float = Field(30.0, gt=0, le=600, description="A mail server that is silent for longer is given up.")
    mail_from: str = Field("", description="Who sends the e-mails: address or Name <address>.")

    web_password_file: Path = Field(
        Path("~/.config/smilereel/web-password"),
        description="Where `smilereel web` keeps its password's hash, for its owner alone.",
    )
    flower_password_file: Path | None = Field(None, description="File with the password of Flower's user `flower`.")
    flower_db: str = Field("", description="File in which Flower keeps what it saw over a restart; empty: nowhere.")
    web_idle_minutes: float = Field(60.0, gt=0, description="Who does nothing on the web page for so long is logged out.")
    web_session_hours: float = Field(12.0, gt=0, le=168, description="Who logged in so long ago is logged out.")

    @model_validator(mode="after")
    def _take_secrets_from_files(self) -> Self:
        """Put what lies in files where the code looks for it: nobody else has to know that there are files."""
        taken: dict[str, object] = {}
        for name in ("redis", "database"):
            path: Path | None = getattr(self, f"{name}_password_file")
            if path is not None:
                variable = f"{PREFIX}{name.upper()}_URL"
                password = read_secret(path, f"{PREFIX}{name.upper()}_PASSWORD_FILE")
                taken[f"{name}_url"] = with_password(getattr(self, f"{name}_url"), password, variable)
        if self.s3_secret_access_key_file is not None:
            secret = read_secret(self.s3_secret_access_key_file, f"{PREFIX}S3_SECRET_ACCESS_KEY_FILE")
            taken["s3_secret_access_key"] = SecretStr(secret)
        if self.webhook_secrets_file is not None:
            lines = read_secret(self.webhook_secrets_file, f"{PREFIX}WEBHOOK_SECRETS_FILE").splitlines()
            taken["webhook_secrets"] = tuple(SecretStr(line.strip()) for line in lines if line.strip())
        for name, value in taken.items():
            # Frozen against everybody else; here the settings are still being made.
            object.__setattr__(self, name, value)
        return self

    @property
    def bulk_places(self) -> int:
        """So many of `lessons_in_work` may be in bulk: at least one, and never all of several unless the share is 1."""
        return max(1, int(self.lessons_in_work * self.bulk_share))


def describe(settings: Settings) -> list[tuple[str, object, str, str]]:
    """Each setting as (environment variable, value, where it came from, explanation); passwords in addresses are masked."""
    rows: list[tuple[str, object, str, str]] = []
    environment = {name.upper() for name in os.environ}
    for name, field in Settings.model_fields.items():
        variable = f"{PREFIX}{name}".upper()
        value = getattr(settings, name)
        source = "environment" if variable in environment else "default" if value == field.default else "program"
        rows.append((variable, _masked(value), source, field.description or ""))
    return rows


def _masked(value: object) -> object:
    if isinstance(value, str) and "://" in value and "@" in value:
        scheme, rest = value.split("://", 1)
        return f"{scheme}://***@{rest.rsplit('@', 1)[1]}"
    return value


@cache
def load_settings() -> Settings:
    """The settings of this process, from the environment.

    Raises:
        SettingsInvalid: names the first setting that cannot be used.
    """
    try:
        return Settings()
    except SettingsError as error:
        name = str(error).split('"')[1] if '"' in str(error) else "?"
        raise SettingsInvalid(f'The setting {PREFIX}{name.upper()} is no JSON list; write it like ["media.example"].') from None
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        raise SettingsInvalid(f"The setting {PREFIX}{str(fault['loc'][0]).upper()} cannot be used: {fault['msg']}.") from None
