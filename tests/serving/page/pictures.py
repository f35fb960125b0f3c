"""The pictures of docs/serving.md and docs/dialogue.md, of the page in Chromium: `make docs-pictures`.

    make docs-pictures ARGS="--agent sentiment"
    make docs-pictures ARGS="--tagger names"       # entities in their sentence, by an agent of a tagging
    make docs-pictures ARGS="--dialogue examples/restaurant/dialogue.yaml"    # the chat

Needs an agent of examples/sentiment.yaml in the model store (`make run`), and Chromium.
"""

from __future__ import annotations

import argparse
import io
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "helpers"))

import browser
from page_server import page_server

FOLDER = Path(__file__).resolve().parents[3] / "docs/serving"
DIALOGUE = FOLDER.with_name("dialogue")
TEXT = "The plot is thin, but the two leads are so warm and funny that I did not mind at all."
SENTENCE = (
    "Ada Lovelace met Charles Babbage in London, before she wrote for Taylor's Scientific Memoirs."
)
ROWS = (
    "id,text\n1,a warm and clever film\n2,two hours that never begin\n"
    "3,the best thing about it is the poster\n4,quietly moving"
)
TURNS = ("I want something cheap in the centre", "any food is fine", "what is the number?")
COLORS = 48


def main() -> None:
    """Takes them all."""
    options = _options()
    if options.tagger:
        _entities(options.tagger, options.root, options.text)
        return
    bundle = _bundle(options.agent, options.root)
    if options.dialogue:
        _talk(options.dialogue, bundle)
        return
    with tempfile.TemporaryDirectory() as folder, browser.tab() as tab:
        place = Path(folder)
        with page_server({options.agent: bundle}, place) as address:
            tab.look(1000, dark=False)
            tab.open(address)
            tab.wait("document.querySelector('#figures-content .tiles')")
            tab.type("#field-text", TEXT)
            tab.run("document.querySelector('#ask button[type=submit]').click()")
            tab.wait("!document.getElementById('explain').disabled")
            tab.run("document.getElementById('explain').click()")
            tab.wait("document.querySelector('#explanation table')")
            tab.type("#paste", ROWS)
            tab.run("document.querySelector('#table button[type=submit]').click()")
            tab.wait("document.querySelector('#preview table')")
            tab.run("document.activeElement.blur(), scrollTo(0, 0)")
            _take(tab, "try", "header", "#try", place)
            _take(tab, "file", "#file", "#file", place)
            _take(tab, "card", "#card", "#card", place)
            tab.look(360, dark=True)
            _take(tab, "narrow", "header", "#try", place)


def _entities(agent: str, root: str | None, text: str) -> None:
    """The picture of a sentence with its entities marked."""
    bundle = _bundle(agent, root)
    with (
        tempfile.TemporaryDirectory() as folder,
        browser.tab() as tab,
        page_server({agent: bundle}, Path(folder)) as address,
    ):
        tab.look(1000, dark=False)
        tab.open(address)
        tab.wait("document.querySelector('#figures-content .tiles')")
        tab.type("#field-text", text)
        tab.run("document.querySelector('#ask button[type=submit]').click()")
        tab.wait("!document.getElementById('explain').disabled")
        tab.run("document.activeElement.blur(), scrollTo(0, 0)")
        if not tab.run("document.querySelectorAll('#answer mark').length"):
            raise SystemExit(f"error: {agent} finds no entity in {text!r}: give another --text")
        _take(tab, "entities", "header", "#try", Path(folder))


def _talk(dialogue: str, bundle: Path) -> None:
    """The picture of a talk, with what was decided in its last turn but one."""
    with tempfile.TemporaryDirectory() as folder, browser.tab() as tab:
        options = (f"--dialogue={dialogue}", f"--sessions={folder}/sessions.db")
        with page_server({"agent": bundle}, Path(folder), *options) as address:
            tab.look(1000, dark=False)
            tab.open(address)
            tab.wait("document.querySelector('#turns .agent')")
            for number, text in enumerate(TURNS, 1):
                tab.type("#said", text)
                tab.run("document.querySelector('#say [type=submit]').click()")
                tab.wait(f"document.querySelectorAll('#turns details').length === {number}")
            tab.run("document.getElementById('turns').style.maxHeight = 'none'")
            tab.run("[...document.querySelectorAll('#turns details')].at(-2).open = true")
            tab.run("document.activeElement.blur(), scrollTo(0, 0)")
            _take(tab, "talk", "#talk", "#talk", Path(folder), DIALOGUE)


def _take(
    tab: browser.Tab, name: str, first: str, last: str, place: Path, into: Path = FOLDER
) -> None:
    """A picture from the top of one element to the end of another, in few colours."""
    from PIL import Image

    clip = tab.run(
        f"""(() => {{ const a = document.querySelector({first!r}).getBoundingClientRect();
        const b = document.querySelector({last!r}).getBoundingClientRect();
        return {{x: 0, y: a.top + scrollY, width: document.documentElement.clientWidth,
          height: b.bottom - a.top + 16}}; }})()"""
    )
    tab.picture(place / "taken.png", clip)
    picture = Image.open(io.BytesIO((place / "taken.png").read_bytes())).convert("RGB")
    into.mkdir(exist_ok=True)
    file = into / f"{name}.png"
    picture.quantize(COLORS, dither=Image.Dither.NONE).save(file, optimize=True)
    print(f"wrote {file}: {picture.width} x {picture.height}, {file.stat().st_size / 1000:.0f} kB")


def _bundle(agent: str, root: str | None) -> Path:
    from bertworks.storage.store import Store
    from pipelines.cli.served import find
    from pipelines.local.root import find_root

    store = Store(str(find_root(root).models))
    found = find(agent, store)
    return found if isinstance(found, Path) else store.fetch(found.name, found.number).path


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--agent", default="sentiment", help="of the model store")
    parser.add_argument(
        "--root", help="folder of the models; BERTWORKS_ROOT or .bertworks unless told"
    )
    parser.add_argument("--tagger", help="an agent of a tagging: takes the picture of its entities")
    parser.add_argument("--dialogue", help="a dialogue: takes the picture of a talk")
    parser.add_argument("--text", default=SENTENCE, help="what the tagger is asked")
    return parser.parse_args()


if __name__ == "__main__":
    main()
