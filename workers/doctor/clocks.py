"""How far a server's clock is from this machine's. Called with times that the Redis and database checks read in passing."""

from __future__ import annotations

from .findings import Finding, failure, ok, warning

# Signed addresses and messages' ends bear a few seconds; the log lines of two hosts do not.
WARN_SECONDS = 2.0
FAIL_SECONDS = 60.0


def judge_clock(whose: str, server_seconds: float, before_seconds: float, after_seconds: float) -> Finding:
    """Compare clocks.

    Args:
        whose: "redis" or "database".
        server_seconds: the server's time, since 1970.
        before_seconds: this machine's when the question was sent.
        after_seconds: and when the answer came.
    """
    check = f"clock.{whose}"
    # Only what the question's own duration cannot explain counts.
    off = max(before_seconds - server_seconds, server_seconds - after_seconds, 0.0)
    where = "Redis' clock" if whose == "redis" else "the database's clock"
    sentence = f"This machine's clock is {off:.0f} seconds from {where}."
    if off > FAIL_SECONDS:
        return failure(check, sentence, "set the clocks by NTP (chrony or systemd-timesyncd) on both hosts.")
    if off > WARN_SECONDS:
        return warning(check, sentence, "see that NTP runs on both hosts.")
    return ok(check, f"This machine's clock agrees with {where}.")
