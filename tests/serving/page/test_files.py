"""The page's files, without a browser: nothing inline, nothing from elsewhere, everything labelled."""

import re
import shutil
import subprocess
from html.parser import HTMLParser
from pathlib import Path

import pytest

from bertworks.serving.page import static

FILES = static.files()
SCRIPTS = sorted(name for name in FILES if name.endswith(".js"))
FOLDER = Path(static.__file__).parent / static.FOLDER
VOID = {"meta", "link", "input", "br"}


class Page(HTMLParser):
    """Elements with their attributes, and the text inside labels and headings."""

    def __init__(self, source):
        super().__init__()
        self.elements, self.open = [], []
        self.feed(source)
        assert self.open == [], "an element is not closed"

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs), list(self.open)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def all(self, *tags):
        return [one for one in self.elements if one[0] in tags]


@pytest.fixture(scope="module")
def page():
    return Page(FILES["index.html"].body.decode())


def test_all_files_are_there_and_small():
    assert {"index.html", "page.css", "page.js", "icon.svg"} <= set(FILES)
    assert sum(len(file.body) for file in FILES.values()) < 100_000
    assert {file.name for file in FOLDER.iterdir()} == set(FILES)


def test_nothing_stands_inline_in_the_html(page):
    for tag, attributes, _ in page.elements:
        assert tag != "style"
        for name in attributes:
            assert not name.startswith("on") and name != "style", (tag, name)
    for _, attributes, _ in page.all("script"):
        assert attributes["src"].startswith("page/") and attributes["type"] == "module"


@pytest.mark.parametrize("name", sorted(FILES))
def test_no_file_names_another_place(name):
    found = re.findall(r"(?:https?:)?//[^\s\"'<>]+\.[^\s\"'<>]+", FILES[name].body.decode())
    assert [one for one in found if "www.w3.org/2000/svg" not in one] == []


@pytest.mark.parametrize("name", SCRIPTS)
def test_no_script_makes_markup_of_text_or_keeps_anything(name):
    source = FILES[name].body.decode()
    for word in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(",
                 "new Function", "DOMParser", "localStorage", "sessionStorage", "indexedDB",
                 "document.cookie", "createContextualFragment", "setHTML"):  # fmt: skip
        assert word not in source


@pytest.mark.parametrize("name", SCRIPTS)
def test_what_scripts_import_and_look_for_is_there(name, page):
    source = FILES[name].body.decode()
    for imported in re.findall(r'from "\./([^"]+)"', source):
        assert imported in FILES
    known = {attributes["id"] for _, attributes, _ in page.elements if "id" in attributes}
    looked_for = set(re.findall(r'find\("([^"]+)"\)', source))
    assert looked_for <= known


def test_everything_to_fill_in_has_a_label_and_every_part_a_heading(page):
    ids = [attributes["id"] for _, attributes, _ in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    labelled = {attributes.get("for") for _, attributes, _ in page.all("label")}
    for tag, attributes, around in page.all("input", "select", "textarea", "progress"):
        assert attributes["id"] in labelled or "label" in around, (tag, attributes)
    for _, attributes, _ in page.all("section"):
        assert attributes["aria-labelledby"] in ids
    for _, attributes, _ in page.all("a"):
        assert attributes["href"].lstrip("#") in ids
    ((_, html, _),) = page.all("html")
    assert html["lang"] == "en"
    assert len(page.all("main")) == len(page.all("h1")) == len(page.all("noscript")) == 1
    assert [one for one in page.all("p", "div") if one[1].get("aria-live") == "polite"]


def test_the_policy_allows_this_server_alone():
    rules = dict(rule.split(" ", 1) for rule in static.POLICY.split("; "))
    assert rules["default-src"] == rules["frame-ancestors"] == rules["base-uri"] == "'none'"
    assert all(value in ("'none'", "'self'", "'script'") for value in rules.values())
    assert static.HEADERS["x-content-type-options"] == "nosniff"
    assert static.HEADERS["referrer-policy"] == "no-referrer"


@pytest.mark.parametrize(
    ("accept", "page"),
    [
        ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", True),
        ("text/html; q=0.9", True),
        ("*/*", False),
        ("", False),
        ("application/json, text/plain", False),
        ("text/html-like", False),
    ],
)
def test_only_browsers_ask_for_html(accept, page):
    assert static.wants_page(accept) is page


@pytest.mark.skipif(shutil.which("node") is None, reason="needs node, for scripts without a page")
def test_csv_and_quantiles_by_themselves():
    checks = f"""
    import * as csv from "{FOLDER.as_uri()}/csv.js";
    import {{ Points, percent, signed }} from "{FOLDER.as_uri()}/format.js";
    import {{ quantile }} from "{FOLDER.as_uri()}/figures.js";
    import assert from "node:assert/strict";
    const rows = csv.parse('\\ufeffa,b\\r\\n"x, ""y""\\n2",z\\r\\n\\r\\n,\\n', ",");
    assert.deepEqual(rows, [["a", "b"], ['x, "y"\\n2', "z"], ["", ""]]);
    assert.equal(csv.separatorOf('a;"b,c,d";e\\n1,2,3,4'), ";");
    assert.equal(csv.separatorOf("a\\tb\\n"), "\\t");
    assert.throws(() => csv.parse('a\\n"b', ","), /Row 2: a quote is opened/);
    const given = [["a", 'q"u'], ["=1+1", "-3.5"], ["@x", "two\\nlines"], ["+1,000", "\\uff1dy"]];
    assert.equal(csv.written(given),
      'a,"q""u"\\r\\n\\'=1+1,-3.5\\r\\n\\'@x,"two\\nlines"\\r\\n"+1,000",\\'\\uff1dy\\r\\n');
    const tame = [["a", "b"], ["1", "x y"], ['say "so"', ""]];
    assert.deepEqual(csv.parse(csv.written(tame), ","), tame);
    assert.equal(new Points("a😀b").part(1, 2), "😀");
    assert.equal(percent(0.5), "50.0 %");
    assert.equal(percent(0.99991), "99.99 %");
    assert.equal(signed(-0.5), "−0.50");
    const buckets = [[1, 0], [2, 10], [4, 20], [null, 20]];
    assert.equal(quantile(buckets, 0.25), 1.5);
    assert.equal(quantile(buckets, 0.75), 3);
    assert.equal(quantile([[1, 0], [null, 3]], 0.5), 1);
    assert.equal(quantile([], 0.5), null);
    """
    done = subprocess.run(
        ["node", "--input-type=module", "-e", checks], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
