"""Which settings each stage gets: from the one place of all settings to the stages' own plain values."""

from __future__ import annotations

from shared.settings import Settings
from workers.weights_names import wanted_weights

from .fetch import SourceRules
from .limits import MediaLimits
from .pick import PickRules
from .plan import PlanLimits
from .telling import Exposure

# What is not named here (where things run, how fast, who is told) gives the same lesson at any value.
_DECIDING = {
    "media_hosts",
    "media_private_hosts",
    "media_max_bytes",
    "media_max_pixels",
    "media_max_seconds",
    "media_max_packets",
    "models",
    "mood_analytics",
    "disconnect_tolerance_seconds",
    "min_lesson_seconds",
    "max_lesson_seconds",
    "segment_seconds",
    "frame_longest_side",
    "frame_jpeg_quality",
    "reel_frames",
    "reel_side",
    "reel_max_bytes",
    "reel_frame_seconds",
    "reel_loops",
    "reel_spread_seconds",
    "min_p_smile",
    "min_p_child",
    "min_p_child_in_reel",
    "max_p_parent_shoulder",
    "min_face_side",
}


def deciding_settings(settings: Settings, revision: int = 1) -> dict[str, object]:
    """The settings that decide what comes out; a lesson that is processed anew has another revision, and so another version."""
    chosen = {**settings.model_dump(mode="json", include=_DECIDING), "weights": wanted_weights(settings)}
    return chosen if revision == 1 else {**chosen, "revision": revision}


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
