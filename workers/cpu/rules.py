"""Which settings each stage gets: from the one place of all settings to the stages' own plain values."""

from __future__ import annotations

from shared.settings import Settings

from .fetch import SourceRules
from .limits import MediaLimits
from .pick import PickRules
from .plan import PlanLimits
from .publish import Exposure

# Where things run and how fast: another value gives the same lesson.
_INDIFFERENT = {
    "redis_url",
    "database_url",
    "store_url",
    "s3_endpoint",
    "s3_region",
    "s3_access_key_id",
    "s3_secret_access_key",
    "s3_allow_http",
    "media_root",
    "device",
    "torch_threads",
    "detector_batch",
    "classifier_batch",
    "decode_threads",
    "segment_attempts",
    "lesson_attempts",
    "lease_seconds",
    "lessons_in_work",
    "store_max_bytes",
    "reconcile_seconds",
    "reconcile_in_worker",
    "sweep_seconds",
    "shutdown_grace_seconds",
    "media_ca_file",
    "scratch_folder",
    "fetch_seconds",
    "media_max_cpu_seconds",
    "cpu_child_memory_bytes",
    "poison",
}


def deciding_settings(settings: Settings) -> dict[str, object]:
    """The settings that decide what comes out."""
    return settings.model_dump(mode="json", exclude=_INDIFFERENT)


def plan_limits(settings: Settings) -> PlanLimits:
    """For the plan stage."""
    return PlanLimits(settings.disconnect_tolerance_seconds, settings.segment_seconds, settings.max_lesson_seconds)


def source_rules(settings: Settings) -> SourceRules:
    """Where recordings may lie and what they may cost."""
    limits = MediaLimits(
        max_bytes=settings.media_max_bytes,
        max_pixels=settings.media_max_pixels,
        max_seconds=settings.media_max_seconds,
        max_packets=settings.media_max_packets,
        max_cpu_seconds=settings.media_max_cpu_seconds,
    )
    return SourceRules(
        media_root=settings.media_root,
        hosts=settings.media_hosts,
        private_hosts=settings.media_private_hosts,
        ca_file=settings.media_ca_file,
        scratch=settings.scratch_folder,
        fetch_seconds=settings.fetch_seconds,
        limits=limits,
    )


def pick_rules(settings: Settings) -> PickRules:
    """For the choice of moments."""
    return PickRules(
        n_moments=settings.reel_frames,
        min_lesson_seconds=settings.min_lesson_seconds,
        spread_seconds=settings.reel_spread_seconds,
        min_p_smile=settings.min_p_smile,
        min_p_child=settings.min_p_child_in_reel,
        max_p_parent_shoulder=settings.max_p_parent_shoulder,
        min_face_side=settings.min_face_side,
    )


def exposure(settings: Settings) -> Exposure:
    """For what is written out."""
    return Exposure(mood_analytics=settings.mood_analytics, min_p_child=settings.min_p_child)
