"""Specs: strict, explained, and with errors that point at the line."""

import difflib
import json
import re
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from bertworks.errors import SpecError
from bertworks.spec import AgentSpec, Tune, task_metric
from bertworks.spec import file as spec_file
from bertworks.spec.section import Section

MINIMAL = "name: tiny\ndata:\n  sources:\n    - uri: rows.csv\n"
FOLDER = Path(__file__).parents[2] / "examples"
EXAMPLES = sorted(
    [
        *FOLDER.glob("*.yaml"),
        FOLDER / "restaurant/questions.yaml",
        FOLDER / "restaurant-zh/understanding.yaml",
    ]
)


def load(tmp_path: Path, text: str, *overrides: str) -> spec_file.SpecFile:
    file = tmp_path / "spec.yaml"
    file.write_text(text, encoding="utf-8")
    return spec_file.load(file, overrides)


def test_defaults_work(tmp_path: Path) -> None:
    spec = load(tmp_path, MINIMAL).spec
    assert spec.finetune.epochs == "auto"
    assert task_metric(spec.task) == "accuracy"


def test_numbers_and_booleans_in_filters_and_label_maps_are_text(tmp_path: Path) -> None:
    more = "      where: {label: [1, 2.0, 2.5, true, a]}\n      label_map: {0: negative, true: 1}\n"
    source = load(tmp_path, MINIMAL + more).spec.data.sources[0]
    assert source.where == {"label": ["1", "2", "2.5", "true", "a"]}
    assert source.label_map == {"0": "negative", "true": "1"}
    with pytest.raises(SpecError, match="where.label"):
        load(tmp_path, MINIMAL + "      where: {label: [.nan]}\n")


def test_unknown_key_is_answered_with_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(SpecError) as raised:
        load(tmp_path, MINIMAL + "finetune:\n  epoch: 3\n")
    assert "spec.yaml:6: unknown key `finetune.epoch`. Did you mean `epochs`?" in str(raised.value)


def test_unknown_key_in_a_list_is_located(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"spec.yaml:5: unknown key `data.sources.0.formt`"):
        load(tmp_path, MINIMAL + "      formt: csv\n")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("serve: {deploy: {enable: true}}", "`serve.deploy.enable`. Did you mean `enabled`?"),
        (
            "resources: {steps: {finetune: {gpus: 1}}}",
            "`resources.steps.finetune.gpus`. Did you mean `gpu`?",
        ),
        (
            "resources: {default: {secrets: {KEY: {secrt: x, key: y}}}}",
            "`resources.default.secrets.KEY.secrt`. Did you mean `secret`?",
        ),
        (
            "resources: {steps: {finetun: {gpu: 1}}}",
            "`resources.steps.finetun`. Did you mean `finetune`?",
        ),
    ],
)
def test_unknown_key_below_names_of_its_own(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(SpecError) as raised:
        load(tmp_path, MINIMAL + text + "\n")
    assert f"spec.yaml:5: unknown key {message}" in str(raised.value)


def test_an_empty_section_says_so(tmp_path: Path) -> None:
    with pytest.raises(SpecError) as raised:
        load(tmp_path, MINIMAL + "schedule:\n")
    assert "spec.yaml:5: `schedule` is empty: leave it out, or give it keys (known: cron," in str(
        raised.value
    )


def test_a_value_where_keys_belong_is_not_repeated(tmp_path: Path) -> None:
    """It may be the secret that was to be named."""
    with pytest.raises(SpecError) as raised:
        load(tmp_path, MINIMAL + "retrain: {webhook: 'https://chat.example.com/hidden'}\n")
    assert "`retrain.webhook` takes keys of its own (known: secret, key)" in str(raised.value)
    assert "hidden" not in str(raised.value)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("base: [a, b]", "`base` takes keys of its own (known: name, uri,"),
        ("base: [a, b]", "), not a list."),
        ("tune: {space: {epochs: []}}", "(known: low, high, values), not a list."),
        ("tune: {space: {epochs: 3}}", "(known: low, high, values), not a number."),
        ("tune: {space: {dropout: {values: []}}}", "needs 1 or more entries, and has 0."),
        (
            "confidence: {conformal: true}",
            "takes a number, which must be less than 1, not a switch. Received: true",
        ),
        ("confidence: {conformal: 95}", "less than 1: for 95 % write 0.95. Received: 95"),
        (
            "confidence: {out_of_scope: 95}",
            "may be refused, above 0 and below 1: 0.05 for 5 %. Received: 95",
        ),
        ("transform: {options: {a: 1}}", "`transform.options`: takes a list, not keys."),
    ],
)
def test_rule_and_value_are_told_in_the_words_of_a_spec(
    tmp_path: Path, text: str, says: str
) -> None:
    with pytest.raises(SpecError) as raised:
        load(tmp_path, f"{MINIMAL}{text}\n")
    assert says in str(raised.value), str(raised.value)


def test_wrong_value_names_rule_and_received(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"spec.yaml:5: `finetune.epochs`: .* Received: 0"):
        load(tmp_path, MINIMAL + "finetune: {epochs: 0}\n")


@pytest.mark.parametrize("value", ["0", "-1", "1.5", "car", "true", "[2]"])
def test_epochs_are_a_number_or_auto(tmp_path: Path, value: str) -> None:
    with pytest.raises(
        SpecError, match=r"`finetune.epochs`: .*whole number from 1, or auto"
    ) as raised:
        load(tmp_path, MINIMAL + f"finetune: {{epochs: {value}}}\n")
    assert str(raised.value).count("finetune.epochs") == 1
    assert load(tmp_path, MINIMAL + "finetune: {epochs: 7}\n").spec.finetune.epochs == 7
    assert load(tmp_path, MINIMAL + "finetune: {epochs: auto}\n").spec.finetune.epochs == "auto"


@pytest.mark.parametrize(
    ("written", "read"),
    [("true", "a switch: true"), ("3", "a number: 3"), ("null", "nothing: null"), ("~", "nothing")],
)
def test_a_word_that_yaml_reads_as_something_else_is_to_be_quoted(
    tmp_path: Path, written: str, read: str
) -> None:
    with pytest.raises(SpecError) as raised:
        load(tmp_path, MINIMAL.replace("name: tiny", f"name: {written}"))
    said = str(raised.value)
    assert f"`name` takes a text, and was read as {read}" in said and "in quotes: name: '" in said
    quoted = MINIMAL.replace("name: tiny", f"name: '{'null' if written == '~' else written}'")
    assert load(tmp_path, quoted).spec.name
    assert load(tmp_path, MINIMAL.replace("name: tiny", "name: no")).spec.name == "no"


def test_all_problems_are_listed_at_once(tmp_path: Path) -> None:
    with pytest.raises(SpecError) as raised:
        load(tmp_path, MINIMAL + "finetune: {epochs: 0}\ntransform: {batch_rows: x}\n")
    assert "finetune.epochs" in str(raised.value)
    assert "transform.batch_rows" in str(raised.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name: [", "not valid YAML"),
        ("- a\n- b\n", "a mapping of keys to values"),
        ("", "`name` is missing"),
        (MINIMAL + "name: again\n", "stands twice"),
        (MINIMAL.replace("tiny", "Not A Name"), "`name`"),
        (MINIMAL + "task: {type: tagging, pair: true}\n", "cannot be combined"),
        (MINIMAL + "base: {scratch: {heads: 3}}\n", "must divide"),
    ],
)
def test_broken_specs(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(SpecError, match=message) as raised:
        load(tmp_path, text)
    assert "spec.yaml" in str(raised.value)
    assert raised.value.fix


def test_missing_file() -> None:
    with pytest.raises(SpecError, match="cannot be read"):
        spec_file.load("/nowhere/spec.yaml")


def test_splits_must_leave_training_rows(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="must leave rows to train on"):
        load(tmp_path, MINIMAL + "  validation: 0.5\n  test: 0.5\n")


def test_overrides_win_and_are_typed(tmp_path: Path) -> None:
    loaded = load(
        tmp_path,
        MINIMAL + "finetune: {epochs: 5}\n",
        "finetune.epochs=2",
        "data.sources.0.format=csv",
        "pretrain.enabled=true",
    )
    assert loaded.spec.finetune.epochs == 2
    assert loaded.spec.data.sources[0].format == "csv"
    assert loaded.spec.pretrain.enabled is True


@pytest.mark.parametrize("override", ["finetune", "=3", "data.sources.7.uri=x", "name.x=1"])
def test_bad_overrides(tmp_path: Path, override: str) -> None:
    with pytest.raises(SpecError, match="--set"):
        load(tmp_path, MINIMAL, override)


def test_explain_says_where_each_value_came_from(tmp_path: Path) -> None:
    loaded = load(tmp_path, MINIMAL + "finetune: {epochs: 5}\n", "finetune.seed=7")
    found = {key: (value, origin) for key, value, origin in spec_file.explain(loaded)}
    assert found["finetune.epochs"] == (5, f"{tmp_path / 'spec.yaml'}:5")
    assert found["finetune.seed"] == (7, "--set")
    assert found["finetune.batch_size"] == (32, "default")


def _sections(model: type[Section]) -> list[type[Section]]:
    found = [model]
    for field in model.model_fields.values():
        inner = spec_file._model_in(field.annotation)
        if inner is not None:
            found += _sections(inner)
    return found


def test_schema_covers_every_section_and_round_trips() -> None:
    schema = AgentSpec.model_json_schema(by_alias=True)
    json.dumps(schema)
    for section in _sections(AgentSpec):
        name = section.__name__
        if name != "AgentSpec":
            assert schema["$defs"][name]["additionalProperties"] is False
    assert "validate" in schema["properties"]


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda p: p.stem)
def test_examples_are_valid(example: Path) -> None:
    spec = spec_file.load(example).spec
    assert all(source.license for source in spec.data.sources), "say the data's licence"
    again = AgentSpec.model_validate(spec.model_dump(mode="json", by_alias=True))
    assert again == spec


@settings(max_examples=50)
@given(key=st.text("abcdefghijklmnopqrstuvwxyz_", min_size=1, max_size=12))
def test_any_unknown_top_level_key_is_refused(
    tmp_path_factory: pytest.TempPathFactory, key: str
) -> None:
    known = {field.alias or name for name, field in AgentSpec.model_fields.items()}
    if key in known or yaml.safe_load(key) != key:
        return
    folder = tmp_path_factory.mktemp("spec")
    with pytest.raises(SpecError) as raised:
        load(folder, MINIMAL + f"{key}: 1\n")
    nearest = difflib.get_close_matches(key, known, n=1, cutoff=0.5)
    assert not nearest or "Did you mean" in str(raised.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("gates: {metric: acuracy}\n", ["spec.yaml:5", "mcc", "acuracy"]),
        ("finetune: {metric: bleu}\n", ["spec.yaml:5", "macro_f1", "bleu"]),
        ("evaluate: {slices: [lenth]}\n", ["spec.yaml:5", "lenth"]),
        ("evaluate: {floor: false}\n", ["beat_floor", "evaluate.floor"]),
        (
            "gates: {minimum: 85}\n",
            ["spec.yaml:5", "`minimum` must be at most 1, as accuracy is; for 85 % write 0.85."],
        ),
        ("gates: {max_drop: 5}\n", ["`max_drop` must be at most 1", "for 5 % write 0.05."]),
        ("gates: {metric: mcc, minimum: 1.5}\n", ["as mcc is"]),
        ("task: {type: regression}\ngates: {minimum: 78}\n", ["as pearson is", "0.78"]),
        ("task: {type: tagging}\ngates: {minimum: 86}\n", ["as entity_f1 is", "0.86"]),
        (
            "compress: {quantize: {max_drop: 5}}\n",
            ["`quantize.max_drop` must be at most 1, as accuracy is; for 5 % write 0.05."],
        ),
    ],
)
def test_what_training_would_stumble_over_is_refused_at_once(
    tmp_path: Path, text: str, words: list[str]
) -> None:
    with pytest.raises(SpecError) as raised:
        load(tmp_path, MINIMAL + text)
    assert all(word in str(raised.value) for word in words), str(raised.value)


@pytest.mark.parametrize(
    ("task", "columns", "words"),
    [
        ("{type: classification}", "{text: review, label: review}", "`text` and `label`"),
        ("{type: regression}", "{label: text}", "`text` and `label`"),
        ("{type: classification, pair: true}", "{text_a: q, text_b: q}", "`text_a` and `text_b`"),
        ("{type: classification, pair: true}", "{text_b: label}", "`text_b` and `label`"),
        ("{type: tagging}", "{tokens: tags}", "`tokens` and `tags`"),
    ],
)
def test_a_text_is_not_its_own_label(tmp_path: Path, task: str, columns: str, words: str) -> None:
    source = f"data: {{sources: [{{uri: rows.jsonl, columns: {columns}}}]}}\n"
    with pytest.raises(SpecError, match=f"{words} must be columns that differ"):
        load(tmp_path, f"name: a\ntask: {task}\n{source}")


def test_columns_that_a_task_does_not_read_may_be_of_one_name(tmp_path: Path) -> None:
    columns = "{text: text_a, one_hot: [good, bad], label: text_a}"
    source = f"data: {{sources: [{{uri: rows.jsonl, columns: {columns}}}]}}\n"
    load(tmp_path, f"name: a\ntask: {{type: classification, multi_label: true}}\n{source}")


@pytest.mark.parametrize("metric", ["mae", "rmse"])
def test_gates_of_a_metric_that_has_no_bound_are_free(tmp_path: Path, metric: str) -> None:
    text = f"task: {{type: regression}}\ngates: {{metric: {metric}, minimum: 85, max_drop: 5}}\n"
    assert load(tmp_path, MINIMAL + text).spec.gates.minimum == 85
    load(tmp_path, MINIMAL + "gates: {minimum: 1, max_drop: 1}\n")


def test_extra_columns_and_the_tasks_own_metrics_are_accepted(tmp_path: Path) -> None:
    text = MINIMAL + "      columns: {extra: [shop]}\ntask: {type: tagging}\n"
    load(tmp_path, text + "evaluate: {slices: [shop]}\ngates: {metric: entity_recall}\n")


def test_a_password_in_a_uri_is_refused_and_not_repeated(tmp_path: Path) -> None:
    with pytest.raises(SpecError) as raised:
        load(tmp_path, MINIMAL.replace("rows.csv", "https://me:hush@host/rows.csv"))
    assert "environment" in str(raised.value) and "hush" not in str(raised.value)


@pytest.mark.parametrize(
    ("task", "finetune", "said"),
    [
        ("tagging", {"class_weights": "balanced"}, "class_weights"),
        ("regression", {"class_weights": "balanced"}, "class_weights"),
        ("regression", {"label_smoothing": 0.1}, "label_smoothing"),
    ],
)
def test_settings_that_a_task_has_no_use_for_are_refused_before_any_work(task, finetune, said):
    parts = {"name": "a", "data": {"sources": [{"uri": "a.csv"}]}, "finetune": finetune}
    with pytest.raises(ValueError, match=f"`{said}`.*Received: {said}=") as raised:
        AgentSpec.model_validate({**parts, "task": {"type": task}})
    assert "leave it out" in str(raised.value)
    AgentSpec.model_validate({**parts, "task": {"type": "classification"}})


CONFIDENT = "gates: {min_coverage: 0.5}\nconfidence: {abstain: {coverage: 0.6}}\n"
OUTSIDE = "    - {uri: others.csv, out_of_scope: true}\n"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("confidence: {abstain: {}}\n", ["`abstain` needs one of `precision` and `coverage`"]),
        ("confidence: {abstain: {precision: 0.9, coverage: 0.5}}\n", ["needs one of"]),
        ("confidence: {abstain: {precision: 90}}\n", ["less than 1", "Received: 90"]),
        (
            "task: {type: regression}\nconfidence: {abstain: {coverage: 0.5}}\n",
            ["`abstain` does not go with task.type: regression; leave it out"],
        ),
        (
            "task: {type: classification, multi_label: true}\nconfidence: {conformal: 0.9}\n",
            ["`conformal` does not go with task.type: classification, multi_label: true"],
        ),
        (
            f"{OUTSIDE}task: {{type: tagging}}\n",
            ["data.sources[].out_of_scope does not go with task.type: tagging", "others.csv"],
        ),
        (f"{OUTSIDE}task: {{type: classification, pair: true}}\n", ["pair: true"]),
        (
            "    - {uri: b.csv, out_of_scope: true, split: test}\n",
            ["`out_of_scope` rows are in no"],
        ),
        ("      out_of_scope: true\n", ["needs one that is not marked out_of_scope"]),
        ("gates: {min_coverage: 0.5}\n", ["`min_coverage` needs confidence.abstain"]),
        ("gates: {min_out_of_scope_recall: 0.5}\n", ["needs a source with out_of_scope: true"]),
        (
            "task: {type: regression}\ngates: {max_calibration_error: 0.1}\n",
            ["`max_calibration_error` needs a task whose answers have probabilities"],
        ),
    ],
)
def test_confidence_that_cannot_be_had_is_refused_at_once(
    tmp_path: Path, text: str, words: list[str]
) -> None:
    with pytest.raises(SpecError) as raised:
        load(tmp_path, MINIMAL + text)
    assert all(word in str(raised.value) for word in words), str(raised.value)


def test_confidence_and_its_gates_are_accepted(tmp_path: Path) -> None:
    spec = load(tmp_path, MINIMAL + OUTSIDE + CONFIDENT).spec
    assert spec.gates.min_coverage == 0.5 and [one.uri for one in spec.data.labelled] == [
        "rows.csv"
    ]
    assert [one.uri for one in spec.data.outside] == ["others.csv"]


def test_a_budget_turns_the_search_on(tmp_path: Path) -> None:
    def tune(*overrides: str) -> Tune:
        return load(tmp_path, MINIMAL, *overrides).spec.tune

    assert not tune().enabled
    assert tune("tune.minutes=5").enabled and tune("tune.trials=8").enabled
    assert not tune("tune.minutes=5", "tune.enabled=false").enabled
    with pytest.raises(SpecError, match="needs a budget: `minutes`, `trials`"):
        tune("tune.enabled=true")
    plain = load(tmp_path, MINIMAL, "tune.trials=8").spec.model_dump(by_alias=True)
    assert AgentSpec.model_validate(plain).tune == tune("tune.trials=8")


@pytest.mark.parametrize(
    ("space", "said"),
    [
        ({"learning_rate": {"low": 0}}, "`learning_rate`: 0 is none that finetune.learning_rate"),
        ({"epochs": {"low": 2.5}}, "`epochs`: 2.5 is none that finetune.epochs may be"),
        ({"batch_size": {"values": [16, 0.5]}}, "`batch_size`: 0.5"),
        ({"warmup": {"low": 0.3, "high": 0.1}}, "`low` must be less than `high`"),
        ({"warmup": {"low": 0.1, "values": [0.2]}}, "not both"),
        ({"weight_decay": {"low": 0, "high": 0.1}}, "above 0"),
    ],
)
def test_a_space_that_no_setting_could_have_is_refused_before_any_work(space, said) -> None:
    with pytest.raises(ValueError, match=re.escape(said)):
        Tune.model_validate({"trials": 3, "space": space})


def test_label_smoothing_is_searched_only_where_the_task_has_it() -> None:
    parts = {"name": "a", "data": {"sources": [{"uri": "a.csv"}]}, "task": {"type": "regression"}}
    AgentSpec.model_validate({**parts, "tune": {"trials": 3}})
    with pytest.raises(ValueError, match=r"`space.label_smoothing` does not go with"):
        space = {"label_smoothing": {"high": 0.1}}
        AgentSpec.model_validate({**parts, "tune": {"trials": 3, "space": space}})


def test_what_turned_the_search_on_is_told(tmp_path: Path) -> None:
    spec = tmp_path / "spec.yaml"
    spec.write_text(
        "name: a\ndata: {sources: [{uri: a.csv}]}\nminutes: 20\ntune: {minutes: auto}\n"
    )
    told = {key: (value, origin) for key, value, origin in spec_file.explain(spec_file.load(spec))}
    assert told["tune.enabled"] == (True, "tune.minutes")
    spec.write_text("name: a\ndata: {sources: [{uri: a.csv}]}\n")
    loaded = spec_file.load(spec, ["tune.trials=3"])
    origins = {key: origin for key, _, origin in spec_file.explain(loaded)}
    assert origins["tune.enabled"] == "tune.trials" and origins["tune.soup"] == "default"


@pytest.mark.parametrize(
    ("setting", "says"),
    [
        ("tune.minutes=auto", "takes its part of the run's `minutes`, which are not given"),
        ("tune.minutes=0", "must be a number above 0, or auto. Received: 0"),
        ("tune.minutes=true", "must be a number above 0, or auto. Received: True"),
        ("finetune.epochs=true", "must be a whole number from 1, or auto. Received: True"),
        ("finetune.batch_size=true", "takes a number, not a switch. Received: true"),
    ],
)
def test_minutes_and_numbers_that_are_none(tmp_path: Path, setting: str, says: str) -> None:
    spec = tmp_path / "spec.yaml"
    spec.write_text("name: a\ndata: {sources: [{uri: a.csv}]}\n")
    with pytest.raises(SpecError) as raised:
        spec_file.load(spec, [setting])
    assert says in str(raised.value)
