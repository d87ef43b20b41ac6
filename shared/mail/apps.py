"""The Django app: `INSTALLED_APPS = [..., "shared.mail"]` makes `{% load smilereel %}` work. Django reads this file, nobody else does."""

from __future__ import annotations

from django.apps import AppConfig


class SmilereelMail(AppConfig):  # type: ignore[misc]
    """No models; a label of its own, since a backend may well have an app named mail."""

    # The package may have been moved below one of the backend's.
    name = __package__
    label = "smilereel_mail"
    verbose_name = "smilereel"
