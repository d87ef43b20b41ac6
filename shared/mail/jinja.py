"""`{{ reel(lesson_id) }}` and `{% reel lesson_id %}` for a backend's own Jinja2 environment (extra `report`, or any Jinja2 from 3.1).

    environment = jinja2.Environment(autoescape=True, extensions=["shared.mail.jinja.ReelExtension"])

Both forms take `language`, `name`, `link` and `still`. Another way to find reels or another language by default:
`environment.smilereel = ReelFragments(language="ru")`.
"""

from __future__ import annotations

from typing import Any, cast

from jinja2 import Environment, nodes
from jinja2.ext import Extension
from jinja2.parser import Parser
from markupsafe import Markup

from .fragment import ReelFragments


class ReelExtension(Extension):
    """The reel as a global function and as a tag."""

    tags = {"reel"}  # noqa: RUF012

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        environment.extend(smilereel=ReelFragments())
        environment.globals["reel"] = self.render

    def parse(self, parser: Parser) -> nodes.Node:
        """`{% reel EXPRESSION key=EXPRESSION … %}`; commas are welcome."""
        line = next(parser.stream).lineno
        lesson_id = parser.parse_expression()
        options: list[nodes.Keyword] = []
        while parser.stream.current.type != "block_end":
            parser.stream.skip_if("comma")
            key = parser.stream.expect("name").value
            parser.stream.expect("assign")
            options.append(nodes.Keyword(key, parser.parse_expression()))
        call = self.call_method("render", [lesson_id], options, lineno=line)
        return nodes.Output([call], lineno=line)

    def render(self, lesson_id: object, **options: Any) -> Markup:
        """The fragment, already escaped. Takes what `ReelFragments.render` takes."""
        fragments = cast("ReelFragments", self.environment.smilereel)  # type: ignore[attr-defined]
        return Markup(fragments.render(lesson_id, **options))  # noqa: S704
