"""`base` in a spec: by name, by address, in short."""

from pathlib import Path

import pytest
import yaml

from bertworks.errors import SpecError
from bertworks.spec import AgentSpec, Base
from bertworks.spec import file as spec_file
from bertworks.spec.bases import CATALOGUE, DEFAULT

MINIMAL = "name: tiny\ndata: {sources: [{uri: rows.csv}]}\n"


def load(tmp_path: Path, base: str, *overrides: str) -> spec_file.SpecFile:
    file = tmp_path / "spec.yaml"
    file.write_text(f"{MINIMAL}base: {base}\n", encoding="utf-8")
    return spec_file.load(file, overrides)


@pytest.mark.parametrize("one", CATALOGUE, ids=lambda one: one.name)
def test_a_name_says_where_the_encoder_is(tmp_path: Path, one) -> None:
    spec = load(tmp_path, f"{{name: {one.name}}}").spec
    assert spec.base == load(tmp_path, one.name).spec.base
    assert (spec.base.uri, spec.base.sha256) == (one.checkpoint.uri, one.checkpoint.sha256)
    tokenizer = spec.base.tokenizer
    assert (tokenizer and tokenizer.uri) == (one.tokenizer and one.tokenizer.uri)
    assert Base.model_validate(spec.base.model_dump(mode="json")) == spec.base
    assert yaml.safe_load(spec.to_yaml())["base"] == {"name": one.name}
    assert AgentSpec.model_validate(yaml.safe_load(spec.to_yaml())) == spec


def test_the_default_is_in_the_catalogue(tmp_path: Path) -> None:
    named = load(tmp_path, DEFAULT.name).spec.base
    assert named.model_copy(update={"name": None}) == Base()


def test_an_address_in_short(tmp_path: Path) -> None:
    for address in ("models/own", "hf://intfloat/e5-small", "scratch", "graph.onnx"):
        assert load(tmp_path, address).spec.base.uri == address
        assert load(tmp_path, address).spec.base.name is None


@pytest.mark.parametrize(
    ("base", "says"),
    [
        ("{name: bge-smal-en}", "Did you mean bge-small-en?"),
        ("minilm", "must be auto or one of minilm-l6, bge-small-en"),
        ("{name: minilm-l6, uri: elsewhere}", "give `name` or `uri`, not both"),
        ("{uri: scratch, layers: 2}", "scratch.layers"),
        ("{layers: 0}", "greater than or equal to 1"),
        ("{name: bge-small-en, layers: 99}", "bge-small-en has 12 layers"),
        ("{layers: 7}", "6 at most. Received: 7"),
        ("{layers: true}", "`base.layers`: takes a number, not a switch. Received: true"),
    ],
)
def test_what_is_refused(tmp_path: Path, base: str, says: str) -> None:
    with pytest.raises(SpecError) as caught:
        load(tmp_path, base)
    assert says in str(caught.value)


def test_explained_addresses_come_from_the_name(tmp_path: Path) -> None:
    told = {
        key: origin for key, _, origin in spec_file.explain(load(tmp_path, "{name: bge-small-en}"))
    }
    assert told["base.name"].endswith("spec.yaml:3")
    assert told["base.uri"] == told["base.sha256"] == "base.name"
    assert told["base.layers"] == "default"


def test_a_password_in_the_address_of_a_tokenizer_is_refused(tmp_path: Path) -> None:
    address = "https://example.com/t?X-Amz-Signature=abcdef0123456789abcdef"
    with pytest.raises(SpecError, match="secret"):
        load(tmp_path, f"{{uri: models/own, tokenizer: {{uri: '{address}'}}}}")
