"""A lesson of known truth, composed of pictures that no model was trained on; for the pipeline's and the models' tests."""

from __future__ import annotations

from .compose import ComposedLesson, compose_lesson
from .truth import ComposedTruth, Scene, Stretch

__all__ = ["ComposedLesson", "ComposedTruth", "Scene", "Stretch", "compose_lesson"]
