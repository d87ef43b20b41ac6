"""What it takes to reach an S3 bucket, checked before the first request; known without obstore, which only `s3.py` imports."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from ..errors import SettingsInvalid
from .rules import is_key

_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_LONGEST_PREFIX = 200


@dataclass(frozen=True, slots=True)
class S3Access:
    """Where an S3 service is and who asks; its representation shows neither key.

    Attributes:
        endpoint: `https://host[:port]`; empty for AWS in that region.
        access_key_id: with `secret_access_key`, or both empty for what AWS's own variables or the machine's role give.
        timeout_seconds: one request must be through by then, its body included.
    """

    endpoint: str = ""
    region: str = "us-east-1"
    access_key_id: str = field(default="", repr=False)
    secret_access_key: str = field(default="", repr=False)
    allow_http: bool = False
    connect_timeout_seconds: float = 2.0
    timeout_seconds: float = 8.0

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[a-z0-9-]{1,40}", self.region):
            raise SettingsInvalid("SMILEREEL_S3_REGION must be a region's name such as eu-central-1.")
        if bool(self.access_key_id) != bool(self.secret_access_key):
            raise SettingsInvalid("SMILEREEL_S3_ACCESS_KEY_ID and SMILEREEL_S3_SECRET_ACCESS_KEY must be set both or not at all.")
        if not (0 < self.connect_timeout_seconds <= self.timeout_seconds <= 3600):
            raise SettingsInvalid("The S3 store's timeouts must be above 0 seconds, the one for connecting not the longer.")
        if self.endpoint:
            self._check_endpoint()

    def _check_endpoint(self) -> None:
        try:
            parts = urlsplit(self.endpoint)
            usable = bool(parts.hostname) and parts.port != 0
        except ValueError:
            usable = False
        if not usable or parts.scheme not in {"http", "https"} or "@" in parts.netloc or parts.query or parts.fragment:
            raise SettingsInvalid("SMILEREEL_S3_ENDPOINT must look like https://host:port, with no name and password in it.")
        if parts.scheme == "http" and not self.allow_http:
            raise SettingsInvalid("SMILEREEL_S3_ENDPOINT is not encrypted; use https, or set SMILEREEL_S3_ALLOW_HTTP=true.")

    @property
    def address(self) -> str:
        """The service's address, AWS's own where no other is set."""
        return self.endpoint.rstrip("/") or f"https://s3.{self.region}.amazonaws.com"


def bucket_and_prefix(url: str) -> tuple[str, str] | None:
    """What `s3://bucket/prefix` names, the prefix possibly empty; None if the URL is not of that form."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return None
    prefix = parts.path.strip("/")
    usable = not prefix or (is_key(prefix) and len(prefix) <= _LONGEST_PREFIX)
    if parts.scheme != "s3" or not _BUCKET.fullmatch(parts.netloc) or not usable or parts.query or parts.fragment:
        return None
    return parts.netloc, prefix
