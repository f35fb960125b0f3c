"""The DAG of a dialogue, compiled for a cluster: its policy is learned in an image of its own."""

from pathlib import Path

import pytest
from confined import IMAGES

from bertworks.storage.artifacts import open_artifact
from bertworks.storage.store import Store
from tests.dialogue.helpers import FILE
from tests.dialogue.test_spec import SPEC

pytestmark = pytest.mark.docker
LEARNED = (
    SPEC
    + """\
  learn: {errors: [0.1], steps: 4096, seed: 3}
judge: {dialogues: 50}
gates: {beat_rules: false}
"""
)


@pytest.mark.parametrize("name", [name for name in IMAGES if name == "dialogue"])
def test_a_policy_is_learned_in_a_container_and_registered(image, run_in_containers, name) -> None:
    image(name)
    ran = run_in_containers(LEARNED, files={"restaurants.csv": FILE.read_text("utf-8")})
    assert ran.returncode == 0, ran.output[-4000:]
    learned = open_artifact(ran.artifact("learn-policy", "learned"))
    assert learned.producer == "learn_policy" and list(Path(learned.path).rglob("*.onnx"))
    champion = Store(str(ran.volume / "models")).champion("town")
    assert champion is not None and champion.number == 1
