"""Templates and views fit each other; HTML stands in templates alone."""

from __future__ import annotations

import ast
import dataclasses
import importlib
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path

import jinja2
import pytest
from jinja2 import meta, nodes

from bertworks import pages
from bertworks.pages.views import View, environment
from pipelines.site import code_of
from tests.helpers import wheels

ROOT = Path(__file__).resolve().parents[2]
TEMPLATES = ROOT / "bertworks/pages/templates"
HTML = re.compile(
    r"<(div|table|span|p|td|tr|th|h[1-6]|section|style|details|pre|svg|g|rect|text|path|iframe)\b"
)


def views() -> list[type[View]]:
    """Every view that a template shows."""
    for module in pkgutil.walk_packages(pages.__path__, f"{pages.__name__}."):
        importlib.import_module(module.name)
    return [one for one in below(View) if dataclasses.is_dataclass(one)]


def below(kind: type[View]) -> Iterator[type[View]]:
    for one in kind.__subclasses__():
        yield one
        yield from below(one)


def source(name: str) -> str:
    return (TEMPLATES / name).read_text("utf-8")


@pytest.mark.parametrize("view", views(), ids=lambda view: view.__name__)
def test_the_fields_of_a_view_are_what_its_template_asks_for(view: type[View]) -> None:
    fields = {field.name for field in dataclasses.fields(view)}  # type: ignore[arg-type]
    if view.macro:
        macro = getattr(environment().get_template(view.template).module, view.macro)
        assert fields == set(macro.arguments)
        return
    tree = environment().parse(source(view.template))
    imported = {node.target for node in tree.find_all(nodes.Import)}
    asked = meta.find_undeclared_variables(tree) - imported
    # The page that a page's template extends shows its title.
    assert asked <= fields <= asked | {"title"}


def test_every_template_has_a_view_or_is_part_of_one() -> None:
    shown = {view.template for view in views()}
    files = {str(file.relative_to(TEMPLATES)) for file in TEMPLATES.rglob("*.j2")}
    assert shown == files


def test_pages_are_of_one_environment_in_which_mistakes_are_errors() -> None:
    assert environment() is environment() and environment().autoescape is True
    with pytest.raises(jinja2.UndefinedError):
        environment().from_string("{{ nothing }}").render()
    assert environment().from_string("{{ text }}").render(text="<b>\x00") == "&lt;b&gt;\\x00"


@pytest.mark.parametrize("file", sorted(TEMPLATES.rglob("*.*")), ids=lambda file: file.name)
def test_templates_load_nothing_and_trust_nothing(file: Path) -> None:
    found = re.findall(
        r"\bsrc=|\bhref=|url\((?!#)|@import|<script|<link|<img|\bon[a-z]+=|\|\s*safe\b|autoescape",
        file.read_text("utf-8"),
    )
    assert not found


@pytest.mark.parametrize(
    "folder", ["bertworks/pages", "bertworks/facade", "components", "benchmarks"]
)
def test_no_html_stands_in_python(folder: str) -> None:
    found = [
        f"{file.relative_to(ROOT)}:{node.lineno}"
        for file in (ROOT / folder).rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text("utf-8")))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
        if HTML.search(node.value)
    ]
    assert not found


@pytest.mark.parametrize("ending", ["py", "html.j2", "css"])
def test_a_step_whose_page_looks_different_is_not_taken_from_the_cache(
    ending: str, tmp_path: Path
) -> None:
    for folder, content in (("before", "a"), ("same", "a"), ("after", "b")):
        (tmp_path / folder / "inside").mkdir(parents=True)
        (tmp_path / folder / f"inside/page.{ending}").write_text(content, "utf-8")
        (tmp_path / folder / f"{folder}.md").write_text("words about it", "utf-8")
    before, same, after = (code_of(tmp_path / name) for name in ("before", "same", "after"))
    assert before == same != after


def test_an_installed_wheel_renders_every_page(tmp_path: Path) -> None:
    site = wheels.installed(tmp_path)
    files = {str(file.relative_to(ROOT)) for file in TEMPLATES.rglob("*.*")}
    assert {file for file in files if not (site / file).is_file()} == set()
    code = (
        "from bertworks.pages import views;"
        "from components.shown import page;"
        "names = views.environment().list_templates(extensions=['j2']);"
        "print(views.__file__, *(views.environment().get_template(name).name for name in names));"
        "print(page('ingest', {'rows': 12345.0}, {}))"
    )
    told, _, page = wheels.run(site, code).partition("\n")
    module, *templates = told.split()
    assert module == str(site / "bertworks/pages/views.py")
    assert len(templates) == len(list(TEMPLATES.rglob("*.j2")))
    assert "12,345" in page and "prefers-color-scheme" in page
