"""The tags in a backend's own templates: Jinja in both forms and Django give the same fragment."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import jinja2
import jinja2.sandbox
import pytest

from shared.errors import LedgerAway
from shared.mail.fragment import ReelFragments

from .builders import a_reel, finder

ROOT = Path(__file__).parents[3]
NASTY = "</a><script>x</script>"
# The same calls for all three; what stands between the braces is each language's own.
CALLS: dict[str, tuple[str, str, str]] = {
    "plain": ("{{ reel(lesson_id) }}", "{% reel lesson_id %}", "{% reel lesson_id %}"),
    "options": (
        "{{ reel(lesson_id, language='ru', name=name, link='https://school.example/?a=1&b=2') }}",
        "{% reel lesson_id, language='ru', name=name, link='https://school.example/?a=1&b=2' %}",
        "{% reel lesson_id language='ru' name=name link='https://school.example/?a=1&b=2' %}",
    ),
    "still": ("{{ reel(lesson_id, still=true) }}", "{% reel lesson_id still=true %}", "{% reel lesson_id still=True %}"),
    "none": ("[{{ reel('unknown') }}]", "[{% reel 'unknown' %}]", "[{% reel 'unknown' %}]"),
    "missing": ("[{{ reel(nothing) }}]", "[{% reel nothing %}]", "[{% reel nothing %}]"),
    "literal": ("{{ reel('lesson-1') }}", '{% reel "lesson-1" %}', '{% reel "lesson-1" %}'),
}
CONTEXT = {"lesson_id": "lesson-1", "name": NASTY}

# In a process of its own: Django has one configuration a process, and other tests have theirs.
DJANGO = """
import json, sys
import django
from django.conf import settings
from shared.mail.fragment import ReelFragments
from tests.unit.mail.builders import a_reel, finder

settings.configure(
    INSTALLED_APPS=["shared.mail"],
    TEMPLATES=[{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True}],
    LANGUAGE_CODE="en", USE_I18N=True, SMILEREEL_REELS=ReelFragments(find=finder(a_reel())),
)
django.setup()
from django.template import engines
from django.utils.translation import override

told = json.load(sys.stdin)
def render(template):
    return engines["django"].from_string("{% load smilereel %}" + template).render(told["context"])
made = {name: render(template) for name, template in told["templates"].items()}
with override("ru"):
    made["active language"] = render("{% reel lesson_id %}")
made["as"] = render("{% reel lesson_id as picture %}{% if picture %}[{{ picture }}]{% endif %}")
made["as none"] = render("{% reel 'unknown' as picture %}{% if picture %}[{{ picture }}]{% endif %}")
print(json.dumps(made))
"""


def environment(reels: ReelFragments | None = None, **options: Any) -> jinja2.Environment:
    """A backend's own."""
    made = jinja2.Environment(extensions=["shared.mail.jinja.ReelExtension"], **{"autoescape": True, **options})
    made.smilereel = reels or ReelFragments(find=finder(a_reel()))  # type: ignore[attr-defined]
    return made


@pytest.fixture(scope="module")
def django() -> dict[str, str]:
    """What Django makes of all the templates."""
    told = json.dumps({"context": CONTEXT, "templates": {name: templates[2] for name, templates in CALLS.items()}})
    ran = subprocess.run(
        [sys.executable, "-c", DJANGO], input=told, capture_output=True, text=True, cwd=ROOT, check=False, timeout=60
    )
    assert ran.returncode == 0, ran.stderr
    made: dict[str, str] = json.loads(ran.stdout)
    return made


@pytest.mark.parametrize("name", CALLS)
def test_all_three_give_the_same(name: str, django: dict[str, str]) -> None:
    function, tag, _ = CALLS[name]
    made = environment().from_string(function).render(CONTEXT)
    assert environment().from_string(tag).render(CONTEXT) == made
    assert django[name] == made
    assert made == "[]" if name in {"none", "missing"} else made.count("<img ") == 1
    assert NASTY not in made


def test_django_speaks_the_active_language_and_hands_the_fragment_on(django: dict[str, str]) -> None:
    assert "Ваш ребёнок на уроке: 9 улыбок" in django["active language"]
    assert django["as"] == f"[{django['plain']}]"
    assert django["as none"] == ""


@pytest.mark.parametrize("autoescape", [True, False])
def test_the_fragment_is_escaped_once(autoescape: bool) -> None:
    for template in CALLS["options"][:2]:
        made = environment(autoescape=autoescape).from_string(template).render(CONTEXT)
        assert 'alt="&lt;/a&gt;&lt;script&gt;x&lt;/script&gt; на уроке: 9 улыбок"' in made
        assert 'href="https://school.example/?a=1&amp;b=2"' in made


def test_a_heading_goes_with_the_picture() -> None:
    template = "{% set picture = reel(id) %}{% if picture %}<h2>Smiles</h2>{{ picture }}{% endif %}"
    assert environment().from_string(template).render(id="unknown") == ""
    assert environment().from_string(template).render(id="lesson-1").startswith("<h2>Smiles</h2><a ")


def test_other_environments_of_jinja() -> None:
    template = "{{ reel(lesson_id) }}{% reel lesson_id %}"
    expected = environment().from_string(template).render(CONTEXT)
    sandbox = jinja2.sandbox.SandboxedEnvironment(extensions=["shared.mail.jinja.ReelExtension"], autoescape=True)
    sandbox.smilereel = ReelFragments(find=finder(a_reel()))  # type: ignore[attr-defined]
    assert sandbox.from_string(template).render(CONTEXT) == expected
    assert (
        environment(undefined=jinja2.StrictUndefined).overlay(trim_blocks=True).from_string(template).render(CONTEXT) == expected
    )


@pytest.mark.parametrize(
    "template", ["{% reel %}", "{% reel lesson_id language %}", "{% reel lesson_id 'ru' %}", "{% reel a b=1 c %}"]
)
def test_a_wrong_tag_is_a_syntax_error(template: str) -> None:
    with pytest.raises(jinja2.TemplateSyntaxError):
        environment().from_string(template)


def test_an_e_mail_goes_out_without_the_database(caplog: pytest.LogCaptureFixture) -> None:
    def away(lesson_id: str) -> None:
        raise LedgerAway("The ledger's database cannot be reached.")

    made = environment(ReelFragments(find=away)).from_string("Dear parents,{% reel lesson_id %} goodbye").render(CONTEXT)
    assert made == "Dear parents, goodbye"
    assert [record.levelname for record in caplog.records] == ["WARNING"]
