"""Dialogues in words, measured with an untrained understanding: nothing that is answered is untrue."""

from pathlib import Path

from benchmarks.dialogue_texts import Asked, result
from bertworks.dialogue import building
from bertworks.dialogue.policies import graph
from bertworks.spec.dialogue import DialogueSpec
from bertworks.spec.file import load_as
from tests.dialogue import words
from tests.dialogue.helpers import DOMAIN, FILE
from tests.dialogue.test_graph import some_layers
from tests.dialogue.test_spec import SPEC
from tests.dialogue.test_talking import LABELS
from tests.helpers.tiny_model import bundle_of, make_model


def test_policies_are_compared_in_words(tmp_path: Path) -> None:
    (tmp_path / "restaurants.csv").write_text(FILE.read_text("utf-8"))
    words.written(tmp_path)
    file = tmp_path / "town.yaml"
    file.write_text(f"{SPEC}  learn: {{utterances: utterances.yaml}}\n")
    spec = load_as(DialogueSpec, file).dialogue
    model = make_model(tmp_path / "model", {"type": "understanding"}, LABELS)
    asked = Asked(spec, tmp_path, bundle_of(model, tmp_path / "bundle"), 6, 5, file)
    graph.write(tmp_path / "policy.onnx", some_layers(), DOMAIN, {})
    learned = graph.Graph(tmp_path / "policy.onnx", building.domain_of(spec))
    for graphs in ([learned], []):
        found = result(asked, graphs, "town.yaml", [7][: len(graphs)])
        rows = {row.what: row for row in found.rows}
        assert rows["success"].quality["keywords, rules"] > rows["success"].own
        assert {"by chance", "trained alone, rules"} <= rows["success"].quality.keys()
        fall = rows["success"].own - rows["success, 10% errors added"].own
        assert rows["fall of success by 10% errors added"].own == fall
        assert rows["acts that are misheard"].own > 0.5
        assert rows["acts that are misheard"].note.count("; ") > 3
        assert rows["dialogues with an untrue answer"].met
        assert rows["dialogues that failed"].own == 1 - rows["success"].own
        served = rows["a turn on the server, 95th percentile"]
        assert served.own >= served.quality["median"] > 0 and served.quality["turns"] >= 6
        assert bool(graphs) == ("least" in rows["success"].quality)
