"""`bertworks serve` needs no packages but those of the serving image: it starts, answers and talks."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

from made_versions import Versions
from served_process import REPOSITORY, ServedProcess
from tiny_model import bundle_of, make_model

from tests.dialogue.helpers import FILE
from tests.dialogue.test_spec import SPEC
from tests.matching.finding import approximate, bundle

PROGRAM = (str(REPOSITORY / "tests/helpers/only_locked.py"),
           str(REPOSITORY / "requirements/serving.txt"))  # fmt: skip
LABELS = ["O", "B-food", "B-area", "intent:inform", "intent:bye", "intent:O"]


def test_what_is_not_in_the_lock_is_not_there():
    done = subprocess.run(
        [sys.executable, *PROGRAM, "pyarrow"], capture_output=True, text=True, cwd=REPOSITORY
    )
    assert done.returncode and "No module named pyarrow" in done.stderr, done.stderr


def test_it_serves_documents_and_turns_and_a_dialogue(tmp_path: Path):
    model = make_model(tmp_path / "model", {"type": "understanding"}, LABELS)
    turns = bundle_of(model, tmp_path / "turns")
    finds = bundle(Versions(tmp_path), damage=approximate)
    (tmp_path / "town.yaml").write_text(SPEC)
    shutil.copy(FILE, tmp_path / "restaurants.csv")
    server = ServedProcess(
        tmp_path / "log", "--agent", f"turns={turns}", "--agent", f"faq={finds}",
        "--dialogue", str(tmp_path / "town.yaml"), "--sessions", str(tmp_path / "sessions.db"),
        program=(*PROGRAM, "pipelines.cli"),
    )  # fmt: skip

    def ask(path, body):
        connection = server.connection()
        connection.request("POST", path, json.dumps(body))
        answer = connection.getresponse()
        assert answer.status == 200, (answer.read(), server.log.read_text())
        return json.loads(answer.read())

    try:
        server.ready()
        (turn,) = ask("/v1/models/turns:predict", {"instances": ["good film"]})["predictions"]
        assert turn["intent"]
        (found,) = ask("/v1/models/faq:predict", {"instances": ["bad story ."]})["predictions"]
        assert found["document"] == "d1"
        acts = [["inform", "food", "chinese"], ["inform", "area", "north"]]
        said = ask("/v1/dialogues/a/turns", {"acts": acts})
        assert ["offer", "name", "Golden Lantern"] in said["acts"]
    finally:
        code = server.end()
    assert code == 0, server.log.read_text()
