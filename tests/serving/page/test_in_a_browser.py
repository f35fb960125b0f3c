"""The page in Chromium: each of its parts, by keyboard, small and large, light and dark."""

import csv
import json
from pathlib import Path

import axe
import browser
import pytest
from kept_agent import kept_agent
from page_server import page_server
from tiny_model import bundle_of, make_model

from bertworks.contracts.shown import ShownExample
from bertworks.serving.access import keyfile, keys

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(browser.executable() is None, reason="needs chromium (apt-get install chromium)"),
]  # fmt: skip

HOSTILE = "<img src=x onerror=\"document.title='owned'\"> <script>document.title='owned'</script>"
ENTER, CONTROL, TAB = 13, 2, 9
TOWN = Path(__file__).parents[2] / "dialogue/restaurants.csv"
TALK = """\
name: town
dialogue:
  knowledge: {uri: restaurants.csv}
  entity: restaurant
  ask: {food: {}, area: {}, pricerange: {label: price range}}
  tell: {address: {}, phone: {}}
"""
SCORE = {"mean": 1.0, "std": 2.0, "min": 0.0, "max": 3.0}


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    """A server with an agent of each kind: "films" has a card with all its parts."""
    folder = tmp_path_factory.mktemp("served")
    told = {"use": f"Sorts reviews {HOSTILE}", "license": "MIT"}
    shown = [ShownExample([f"good film {HOSTILE}"], "good")]
    films = kept_agent(folder, folder / "models", told, shown).fetch("tiny", 1).path
    for name, task, labels, score in (
        ("tagger", {"type": "tagging"}, ["O", "B-X"], None),
        ("pairs", {"type": "regression", "pair": True}, [], SCORE),
        ("several", {"type": "classification", "multi_label": True}, ["a", "b", HOSTILE], None),
    ):
        bundle_of(make_model(folder / f"{name}-model", task, labels, score), folder / name)
    agents = {"films": films, **{name: folder / name for name in ("tagger", "pairs", "several")}}
    with page_server(agents, folder, "--limit=rows=20") as address:
        yield address


@pytest.fixture(scope="module")
def tab():
    with browser.tab() as opened:
        yield opened


@pytest.fixture
def page(tab, address):
    """The page, freshly opened; after the test it has asked nobody else, and nothing was amiss."""
    tab.look(1280, dark=False)
    tab.open("about:blank")
    tab.requests.clear(), tab.logged.clear()  # what another server's page asked until now
    tab.open(address)
    tab.wait("document.getElementById('title').textContent === 'tiny'")
    yield tab
    tab.run("1")  # What was logged by now is noted.
    assert tab.logged == []
    assert all(one.startswith((address, "blob:" + address, "about:")) for one in tab.requests)
    assert tab.run("document.title") != "owned"
    assert tab.run("document.cookie") == ""


def ask(page, **texts):
    for name, text in texts.items():
        page.type(f"#field-{name}", text)
    page.run("document.querySelector('#ask button[type=submit]').click()")
    page.wait("!document.getElementById('explain').disabled")
    return page.run("document.getElementById('answer').innerText")


def choose(page, model):
    page.run(
        f"""(() => {{ const choice = document.getElementById('model'); choice.value = {model!r};
        choice.dispatchEvent(new Event('change')); }})()"""
    )
    page.wait(f"document.getElementById('subtitle').textContent.startsWith('served as {model}')")


def test_a_text_is_answered_explained_and_set_beside_training_rows(page):
    said = ask(page, text=f"a very good film, bad story 😀 {HOSTILE}")
    assert "Probability of each label" in said and "bad" in said and "good" in said
    assert page.run("document.querySelector('#answer .fill').offsetWidth") > 1
    page.run("document.getElementById('explain').click()")
    page.wait("document.querySelector('#explanation table')")
    text = page.run("document.querySelector('#explanation .text').textContent")
    assert text == f"a very good film, bad story 😀 {HOSTILE}"
    page.run("document.getElementById('similar').click()")
    page.wait("document.querySelector('#neighbours table')")
    assert f"good film {HOSTILE}" in page.run("document.getElementById('neighbours').innerText")


def ask_for_entities(page):
    """Asks the tagger for a text in which it finds some; returns the text."""
    choose(page, "tagger")
    return next(
        text
        for text in ("good film 😀 bad story so so", "the very good plot", "films a b bad bad so a")
        if "No entities" not in ask(page, text=text)
    )


def test_entities_stand_in_their_text(page):
    text = ask_for_entities(page)
    assert page.run("document.querySelectorAll('#answer mark').length") > 0
    shown = page.run(
        "Array.from(document.querySelectorAll('#answer mark'), one => one.firstChild.textContent)"
    )
    listed = page.run(
        "Array.from(document.querySelectorAll('#answer .bars button'), one => one.textContent)"
    )
    assert shown == listed and all(one in text for one in shown)
    page.run("document.querySelector('#answer .bars button').click()")
    page.wait("document.querySelector('#explanation h3')")


def test_pairs_have_two_fields_and_numbers_a_score(page):
    choose(page, "pairs")
    assert "Score:" in ask(page, text_a="good film", text_b="bad story")
    page.run("document.getElementById('explain').click()")
    page.wait("document.querySelectorAll('#explanation .text').length === 2")


def test_several_labels_and_one_that_looks_like_markup(page):
    choose(page, "several")
    assert HOSTILE in ask(page, text="good film")
    page.run("document.querySelector('#answer .bars button').click()")
    page.wait("document.querySelector('#explanation h3')")


def test_the_keyboard_is_enough(page):
    page.run("document.activeElement.blur()")
    page.press("Tab", TAB)
    assert page.run("document.activeElement.className") == "skip"
    reached = []
    for _ in range(9):
        page.press("Tab", TAB)
        reached.append(page.run("document.activeElement.id || document.activeElement.textContent"))
    assert "field-text" in reached
    page.run("document.getElementById('field-text').focus()")
    page.call("Input.insertText", text="good film")
    page.press("Enter", ENTER, CONTROL)
    page.wait("!document.getElementById('explain').disabled")


def test_a_file_is_answered_in_parts_and_downloaded(page, tmp_path):
    rows = [{"id": str(n), "text": f'good film {n}, "so" so', "note": "=1+1"} for n in range(45)]
    given = tmp_path / "given.csv"
    with given.open("w", newline="", encoding="utf-8-sig") as out:
        writer = csv.DictWriter(out, ["id", "text", "note"], delimiter=";")
        writer.writeheader()
        writer.writerows(rows)
    page.choose_file("#upload", given)
    page.wait("document.getElementById('table-status').textContent.startsWith('45 rows of 3')")
    assert page.run("document.getElementById('column-text').selectedOptions[0].text") == "text"
    before = len([one for one in page.requests if one.endswith(":predict")])
    page.run("document.querySelector('#table button[type=submit]').click()")
    page.wait("document.querySelector('#download a')")
    asked = len([one for one in page.requests if one.endswith(":predict")]) - before
    assert asked == 3  # the server takes 20 rows at once
    page.call("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(tmp_path))
    page.run("document.querySelector('#download a').click()")
    answers = tmp_path / "answers.csv"
    while not answers.exists():
        page.run("new Promise((done) => setTimeout(done, 50))")
    with answers.open(newline="", encoding="utf-8") as read:
        found = list(csv.DictReader(read))
    assert [one["id"] for one in found] == [one["id"] for one in rows]
    assert [one["text"] for one in found] == [one["text"] for one in rows]
    assert {one["note"] for one in found} == {"'=1+1"}
    assert {one["label"] for one in found} <= {"bad", "good"}
    assert json.loads(found[0]["scores"]).keys() == {"bad", "good"}


def test_a_file_that_cannot_be_read_is_told(page, tmp_path):
    broken = tmp_path / "broken.csv"
    broken.write_text('text\n"never closed')
    page.choose_file("#upload", broken)
    page.wait("document.getElementById('status').textContent.startsWith('Row 2: a quote')")
    strange = tmp_path / "strange.csv"
    strange.write_bytes(b"text\n\xff\xfe")
    page.choose_file("#upload", strange)
    page.wait("document.getElementById('status').textContent.includes('not UTF-8')")


def test_a_refusal_is_told_in_the_servers_words(page):
    page.type("#field-text", "b")
    page.run("document.getElementById('field-text').value = 'x'.repeat(100001)")
    page.run("document.querySelector('#ask button[type=submit]').click()")
    page.wait("document.getElementById('status').textContent.includes('at most 100000 characters')")
    page.logged.clear()  # Chromium logs every answer of 4xx.


def test_the_card_shows_all_its_parts(page):
    said = page.run("document.getElementById('card-content').innerText")
    for title in ("What it does", "Limits", "How good it is", "Gates", "Data", "Licences"):
        assert title in said
    assert f"Sorts reviews {HOSTILE}" in said


def test_live_figures_count(page):
    ask(page, text="good film")
    page.wait(
        "/[1-9]\\d* answered in all/.test(document.getElementById('figures-content').innerText)"
    )


@pytest.mark.skipif(axe.script() is None, reason=f"needs {axe.URI}, and no registry has it here")
@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [360, 1280])
def test_nobody_is_kept_out(page, width, dark):
    page.look(width, dark)
    ask(page, text="a very good film, bad story")
    page.run("document.getElementById('explain').click()")
    page.wait("document.querySelector('#explanation table')")
    page.run("document.getElementById('similar').click()")
    page.wait("document.querySelector('#neighbours table')")
    page.type("#paste", "text,id\ngood film,1\nso so,2")
    page.wait("document.getElementById('column-text')")
    page.run("document.querySelector('#table button[type=submit]').click()")
    page.wait("document.querySelector('#preview table')")
    page.run("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    page.run("document.getElementById('access').hidden = false")
    check_access(page, width)


@pytest.mark.skipif(axe.script() is None, reason=f"needs {axe.URI}, and no registry has it here")
@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [360, 1280])
def test_nobody_is_kept_out_of_entities_in_their_text(page, width, dark):
    page.look(width, dark)
    ask_for_entities(page)
    page.run("document.querySelector('#answer .bars button').click()")
    page.wait("document.querySelector('#explanation h3')")
    assert page.run("document.querySelectorAll('#answer mark').length") > 0
    check_access(page, width)


@pytest.fixture(scope="module")
def talking(tmp_path_factory):
    """A server with a dialogue about eleven restaurants, one of which is called hostile things."""
    folder = tmp_path_factory.mktemp("talking")
    bundle = bundle_of(make_model(folder / "m", {"type": "classification"}, ["a", "b"]),
                       folder / "agent")  # fmt: skip
    rows = TOWN.read_text("utf-8")
    quoted = HOSTILE.replace('"', '""')
    (folder / "restaurants.csv").write_text(rows.replace("Golden Lantern", f'"{quoted}"', 1))
    (folder / "town.yaml").write_text(TALK)
    options = (f"--dialogue={folder / 'town.yaml'}", f"--sessions={folder / 'sessions.db'}")
    with page_server({"tiny": bundle}, folder, *options) as address:
        yield address


@pytest.fixture
def chat(tab, talking):
    tab.look(1280, dark=False)
    tab.open("about:blank")
    tab.requests.clear(), tab.logged.clear()  # what another server's page asked until now
    tab.open(talking)
    tab.wait("document.querySelector('#turns .agent')")
    yield tab
    tab.run("1")
    assert tab.logged == []
    assert all(one.startswith((talking, "about:")) for one in tab.requests)
    assert tab.run("document.title") != "owned"
    assert tab.run("localStorage.length + sessionStorage.length + document.cookie.length") == 0


def say(page, text):
    """Says something by the keyboard alone; returns what the agent answers."""
    before = page.run("document.querySelectorAll('#turns details').length")
    page.run("document.getElementById('said').focus()")
    page.call("Input.insertText", text=text)
    page.press("Enter", ENTER, text="\r")
    page.wait(f"document.querySelectorAll('#turns details').length === {before + 1}")
    return page.run("[...document.querySelectorAll('#turns .agent')].at(-1).textContent")


def test_a_dialogue_is_talked_with_by_keyboard_and_shows_why(chat):
    assert "How can I help you?" in chat.run("document.getElementById('turns').textContent")
    assert "Which area would you like?" in say(chat, "cheap chinese")
    assert chat.run("document.activeElement.id") == "said"
    assert HOSTILE in say(chat, "north")  # what is in a knowledge base is text
    chat.run("[...document.querySelectorAll('#turns details')].at(-1).open = true")
    trace = chat.run("[...document.querySelectorAll('#turns details')].at(-1).innerText")
    for shown in (
        "inform(area=north) 0.95",
        "food: chinese (0.95)",
        "offer, by rule",
        "offer\t1.00",
    ):
        assert shown in trace, trace
    assert chat.run("document.getElementById('turns').getAttribute('role')") == "log"
    chat.run("document.getElementById('helped').click()")
    chat.wait("document.getElementById('turns').textContent.includes('You said that it helped')")
    assert "Goodbye" in say(chat, "thanks, bye")
    assert chat.run("document.activeElement.id") == "anew"
    assert chat.run("document.getElementById('said').disabled")
    chat.press("Enter", ENTER, text="\r")
    chat.wait("document.querySelectorAll('#turns details').length === 0")
    assert "Which area would you like?" in say(chat, "cheap chinese")
    chat.run("document.getElementById('forget').click()")
    chat.wait("document.querySelectorAll('#turns details').length === 0")


def test_a_turn_that_is_refused_is_told_and_can_be_said_again(chat):
    chat.run("document.getElementById('said').value = 'x'.repeat(100001)")
    chat.run("document.querySelector('#say [type=submit]').click()")
    chat.wait("document.getElementById('status').textContent.includes('at most 100000 characters')")
    chat.run("document.getElementById('said').value = ''")
    assert "Which area would you like?" in say(chat, "cheap chinese")
    assert chat.run("document.getElementById('status').textContent") == ""
    chat.logged.clear()  # Chromium logs every answer of 4xx.


@pytest.mark.skipif(axe.script() is None, reason=f"needs {axe.URI}, and no registry has it here")
@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [360, 1280])
def test_nobody_is_kept_out_of_the_chat(chat, width, dark):
    chat.look(width, dark)
    say(chat, "cheap chinese")
    say(chat, "north")
    chat.run("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    check_access(chat, width)


def test_without_a_dialogue_there_is_no_chat(page):
    assert page.run("document.getElementById('talk').hidden")
    assert page.run("document.getElementById('to-talk').hidden")


def check_access(page, width):
    """Nothing is cut off at the side, and axe-core finds no violation."""
    assert page.run("document.documentElement.scrollWidth") <= width
    page.run(axe.script() + "; 1")
    found = page.run(
        "axe.run(document, {resultTypes: ['violations']}).then((told) => told.violations.map("
        "(one) => [one.id, one.impact, one.nodes.map((node) => node.html.slice(0, 200))]))"
    )
    assert found == []
    page.logged.clear()  # axe tries what the policy forbids; what the page logs is for other tests


def test_a_key_is_asked_for_and_kept_in_memory_alone(tab, tmp_path):
    bundle = bundle_of(make_model(tmp_path / "m", {"type": "classification"}, ["a", "b"]),
                       tmp_path / "guarded")  # fmt: skip
    with keyfile.changing(tmp_path / "keys.json") as known:
        key, token = keys.make("somebody", keyfile.now())
        known[key.id] = key
    with page_server({"guarded": bundle}, tmp_path, f"--keys={tmp_path / 'keys.json'}") as address:
        tab.look(1280, dark=False)
        tab.open(address)
        tab.wait("!document.getElementById('access').hidden")
        assert "needs a key" in tab.run("document.getElementById('status').textContent")
        assert tab.run("document.activeElement.id") == "key"
        tab.call("Input.insertText", text="wrong")
        tab.press("Enter", ENTER, text="\r")
        tab.wait("document.getElementById('status').textContent.includes('not good')")
        tab.call("Input.insertText", text=token)
        tab.press("Enter", ENTER, text="\r")
        tab.wait("document.getElementById('title').textContent === 'guarded'")
        assert tab.run("document.getElementById('access').hidden")
        assert ask(tab, text="good film")
        assert tab.run("document.getElementById('key').value") == ""
        assert tab.run("localStorage.length + sessionStorage.length + document.cookie.length") == 0
        assert token not in tab.run("document.documentElement.outerHTML + location.href")
        tab.open("about:blank")
        tab.open(address)  # It is gone with the page.
        tab.wait("!document.getElementById('access').hidden")
