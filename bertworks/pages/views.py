"""Views: what Python prepares and a template shows.

All templates are of one environment: every value is escaped, a name that is not there is an error, and
text that a browser would hide is spelled out.
"""

from __future__ import annotations

import functools
from typing import ClassVar, cast

import jinja2
from markupsafe import Markup

from bertworks.pages.text import number, visible


class View:
    """Something to show; a subclass is a dataclass whose fields are its template's variables.

    `{{ view }}` in a template, and `str(view)`, give its HTML.

    Attributes:
        template: A file in templates/.
        macro: The macro of that file that shows it; "" where it is the whole file.
    """

    template: ClassVar[str]
    macro: ClassVar[str] = ""

    def __html__(self) -> Markup:
        found = environment().get_template(self.template)
        if self.macro:
            return cast(Markup, getattr(found.module, self.macro)(**vars(self)))
        return Markup(found.render(vars(self)))

    def __str__(self) -> str:
        return str(self.__html__())


@functools.cache
def environment() -> jinja2.Environment:
    """What all templates are read and rendered by; made when the first page is."""
    made = jinja2.Environment(
        loader=jinja2.PackageLoader("bertworks.pages"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=_finalized,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters["cell"] = _cell
    made.filters["length_shown"] = _length_shown
    made.globals["css"] = _style_sheet
    return made


@jinja2.pass_environment
def _style_sheet(environment: jinja2.Environment, name: str) -> Markup:
    """A style sheet of templates/ as it is: it is no template."""
    if environment.loader is None:
        raise jinja2.TemplateNotFound(name)
    return Markup(environment.loader.get_source(environment, name)[0])


def _finalized(value: object) -> object:
    """Makes every piece of text that a template inserts `visible`."""
    return visible(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _cell(value: object) -> str:
    """What a table's cell shows: a view's HTML; numbers and texts as people read them."""
    return Markup(value) if hasattr(value, "__html__") else number(value)


def _length_shown(cell: str) -> int:
    """How many characters a cell shows: a drawing's words and tags are none."""
    return len(cell.striptags()) if isinstance(cell, Markup) else len(cell)
