"""Settings that each may be right and are at odds with one another. Asked by the doctor."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

from shared.errors import SettingsInvalid
from shared.settings import Settings

from .findings import Finding, failure, ok, warning

# What docker-compose.yml gives a worker; a test holds the two together.
STOP_GRACE_SECONDS = 660.0


def check_settings(settings: Settings, celery: Any) -> Iterator[Finding]:
    """Look for contradictions.

    Args:
        settings: of this process.
        celery: the app's configuration.
    """
    found = [*_times(settings, celery), *_results(settings), *_for_trials(settings), *_environment()]
    yield from found or [ok("settings.odds", "No two settings are at odds.")]


def longest_task_seconds(celery: Any) -> float:
    """After so long the last of the tasks is ended."""
    limits = [celery.task_time_limit, *(each.get("time_limit") for each in (celery.task_annotations or {}).values())]
    return max(float(limit) for limit in limits if limit)


def _times(settings: Settings, celery: Any) -> Iterator[Finding]:
    check, longest = "settings.times", longest_task_seconds(celery)
    visible = float((celery.broker_transport_options or {}).get("visibility_timeout", 3600))
    if visible <= longest:
        sentence = f"Redis hands a task out again after {visible:.0f} s, while it may run for {longest:.0f} s"
        yield failure(check, sentence, "make the visibility timeout longer than the longest task.")
    if settings.reconcile_seconds >= settings.lease_seconds:
        sentence = "Lost lessons are looked for more rarely (SMILEREEL_RECONCILE_SECONDS) than their leases run out"
        yield warning(check, sentence, "set it to less than SMILEREEL_LEASE_SECONDS.")
    if settings.shutdown_grace_seconds >= STOP_GRACE_SECONDS - 10:
        sentence = "A worker takes longer to end (SMILEREEL_SHUTDOWN_GRACE_SECONDS) than docker-compose.yml gives it"
        yield warning(check, sentence, "set it to less, or raise stop_grace_period.")
    if settings.media_hosts and settings.fetch_seconds > celery.task_time_limit:
        sentence = "A download may take longer (SMILEREEL_FETCH_SECONDS) than its task may run"
        yield failure(check, sentence, "set it to less.")


def _results(settings: Settings) -> Iterator[Finding]:
    if settings.mood_analytics and not settings.retention_scores_days:
        sentence = "Smile scores along lessons are written out (SMILEREEL_MOOD_ANALYTICS) and kept for ever"
        yield warning("settings.data", sentence, "set SMILEREEL_RETENTION_SCORES_DAYS, and read docs/childrens-data.md.")
    if settings.min_p_child_in_reel < settings.min_p_child:
        sentence = "A face may be in the reel (SMILEREEL_MIN_P_CHILD_IN_REEL) that does not count as a child's"
        yield warning("settings.data", sentence, "set it to SMILEREEL_MIN_P_CHILD at least.")
    if settings.max_lesson_seconds < settings.min_lesson_seconds:
        yield failure("settings.data", "The longest lesson is shorter than the shortest", "correct SMILEREEL_MAX_LESSON_SECONDS.")
    try:
        from workers.webhooks import hook_of

        hook_of(settings)
    except SettingsInvalid as error:
        sentence, _, advice = error.message.partition("; ")
        yield failure("settings.webhook", sentence, advice)


def _for_trials(settings: Settings) -> Iterator[Finding]:
    if settings.models == "stand_in":
        sentence = "The scores are made up (SMILEREEL_MODELS=stand_in)"
        yield warning("settings.trial", sentence, "unset it where reels are for parents.")
    if settings.poison:
        yield warning("settings.trial", "A magenta picture kills a worker (SMILEREEL_POISON)", "unset it.")


def _environment() -> Iterator[Finding]:
    for name in ("CELERY_BROKER_URL", "CELERY_RESULT_BACKEND"):
        if os.environ.get(name):
            sentence = f"{name} is set and goes before SMILEREEL_REDIS_URL"
            yield warning("settings.environment", sentence, "unset it: half of the processes would talk to another Redis.")
    cores = os.cpu_count() or 1
    if os.environ.get("OMP_WAIT_POLICY", "PASSIVE").upper() != "PASSIVE" and cores > 1:
        sentence = "Waiting threads of torch spin (OMP_WAIT_POLICY)"
        yield warning(
            "settings.environment", sentence, "set it to PASSIVE, or two processes on two cores are eight times slower."
        )
