"""A classifier of many labels begins with a regression on what the encoder says before training."""

from __future__ import annotations

import contextlib
import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bertworks.contracts.tokens import TOKENS
from bertworks.contracts.tuned import Chosen
from bertworks.models.config import Head
from bertworks.models.layout import CLASSIFIER, encoder_shapes, initialize
from bertworks.models.model import MANY_OUTPUTS, BertModel, build, get_weights, set_weights_from
from bertworks.spec import Finetune, Task
from bertworks.storage.artifacts import open_artifact
from bertworks.storage.checkpoints import Checkpoints
from bertworks.tasks import for_task
from bertworks.tasks.measuring import softmax
from bertworks.text.ragged import Ragged
from bertworks.training.objectives import probing
from bertworks.training.objectives.finetuning import Material, finetune_on
from bertworks.training.objectives.labelled import Predictor
from bertworks.training.rows import LabelledRows
from bertworks.training.search.folds import folded
from bertworks.training.search.starts import Starts
from tests.training.tiny_tokens import CONFIG, make_tokens

LABELS = MANY_OUTPUTS + 5
ENCODER = {
    # Large enough for the first token to hear of the others.
    name: 10.0 * array if array.ndim == 2 else array
    for name, array in initialize(encoder_shapes(CONFIG), 5).items()
}
NAMES = tuple(map(str, range(LABELS)))
HEAD = Head("sequence", NAMES, "single_label_classification")


def rows_of(count: int = 600, without: int | None = None, seed: int = 0) -> LabelledRows:
    """Each label is told by one word."""
    random = np.random.default_rng(seed)
    targets = random.integers(0, LABELS, count)
    if without is not None:
        targets[targets == without] = (without + 1) % LABELS
    ids = [np.array([2, 12 + label, *random.integers(36, 40, 2), 3], np.int32) for label in targets]
    return LabelledRows(list(map(str, range(count))), Ragged.of(ids), None, targets)


@pytest.fixture
def material(tmp_path: Path) -> Material:
    handler = for_task(Task(type="classification", max_length=16), NAMES)
    info = TOKENS.read(open_artifact(make_tokens(tmp_path / "tokens")))
    return Material(rows_of(), rows_of(200, seed=1), info, handler, (CONFIG, ENCODER))


def right(model: BertModel, rows: LabelledRows) -> float:
    found = np.stack(Predictor(model).logits(rows)).argmax(axis=-1)
    return float((found == rows.targets).mean())


def test_it_knows_more_before_its_first_step() -> None:
    model = build(CONFIG, HEAD, ENCODER, seed=3)
    before, rows = get_weights(model), rows_of()
    assert right(model, rows_of(seed=1)) < 0.2
    found = probing.classifier_of(model, rows, seed=1)
    after = get_weights(model)
    assert all(np.array_equal(before[name], after[name]) for name in before)
    set_weights_from(model, before | found)
    assert right(model, rows_of(seed=1)) > 0.35


def test_a_label_without_a_row_is_the_least_likely() -> None:
    model = build(CONFIG, HEAD, ENCODER, seed=3)
    weights = probing.classifier_of(model, rows_of(without=7), seed=1)
    assert not weights[f"{CLASSIFIER}.weight"][7].any()
    assert weights[f"{CLASSIFIER}.bias"][7] == weights[f"{CLASSIFIER}.bias"].min()


def test_of_many_rows_some_are_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probing, "ROWS", 120)
    looked: list[int] = []
    states = Predictor.first_states

    def counted(self: Predictor, rows: LabelledRows, pad: int) -> np.ndarray:
        looked.append(len(rows))
        return states(self, rows, pad)

    monkeypatch.setattr(Predictor, "first_states", counted)
    model = build(CONFIG, HEAD, ENCODER, seed=3)
    found = [probing.classifier_of(model, rows_of(), seed=1) for _ in range(2)]
    assert looked == [120, 120]
    assert all(np.array_equal(found[0][name], found[1][name]) for name in found[0])


def test_of_many_rows_each_label_keeps_one(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = rows_of(5000)
    rows.targets[:] = 0
    rows.targets[100 : 100 + LABELS] = np.arange(LABELS)
    rows.targets[:50] = -1  # without a label
    for limit in ("ROWS", "ROWS_BY_LABELS"):
        with monkeypatch.context() as changed:
            changed.setattr(probing, limit, 80 if limit == "ROWS" else 80 * LABELS)
            places = probing._looked_at(rows.targets, LABELS, seed=1)
        assert len(places) == len(set(places)) == 80 and (np.diff(places) > 0).all()
        assert set(rows.targets[places]) == set(range(LABELS))
    monkeypatch.setattr(probing, "ROWS", 3)  # fewer than labels
    assert len(probing._looked_at(rows.targets, LABELS, seed=1)) == LABELS


def test_what_rare_labels_weigh_is_heard() -> None:
    model, rows = build(CONFIG, HEAD, ENCODER, seed=3), rows_of()
    weights, before = np.ones(LABELS, np.float32), get_weights(model)
    weights[4] = 50.0
    shares = []
    for one in (None, weights):
        set_weights_from(model, before | probing.classifier_of(model, rows, 1, 0, one))
        logits = np.stack(Predictor(model).logits(rows_of(seed=2)))
        shares.append(float(softmax(logits)[:, 4].mean()))
        set_weights_from(model, before)
    assert shares[1] > 1.2 * shares[0]


def test_rows_of_one_or_two_labels_tell_nothing() -> None:
    model, rows = build(CONFIG, HEAD, ENCODER, seed=3), rows_of()
    for most in (1, 2):
        rows.targets[:] = np.arange(len(rows)) % most
        assert probing.classifier_of(model, rows, seed=1) == {}


def test_trials_of_one_start_share_it(monkeypatch: pytest.MonkeyPatch, material: Material) -> None:
    fitted: list[int] = []
    fit = probing.classifier_of

    def counted(model: BertModel, rows: LabelledRows, *more: Any) -> Any:
        fitted.append(len(rows))
        return fit(model, rows, *more)

    monkeypatch.setattr(probing, "classifier_of", counted)
    for rate in (1e-4, 2e-4):
        settings = Finetune(epochs=1, learning_rate=rate, batch_size=64, precision="float32")
        assert finetune_on(material, settings)[1].best > 0.5
    other = dataclasses.replace(material, train=rows_of(300))
    assert not other.classifier
    finetune_on(other, settings)
    assert fitted == [600, 300]

    starts = Starts(material)
    for length in (16, 8, 16, 8):  # a search draws one and the other
        finetune_on(starts.material(Chosen(max_length=length)), settings)
    assert fitted[2:] == [600, 600]
    for _ in range(2):
        for number, part in enumerate(folded(material, 2, seed=0), start=1):
            finetune_on(starts.shared(part, Chosen(), number), settings)
    assert fitted[4:] == [300, 300], "what is validated on is not looked at"


def test_a_training_that_was_cut_off_goes_on_as_if_it_had_not_been(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, material: Material
) -> None:
    monkeypatch.setenv("BERTWORKS_CHECKPOINTS", str(tmp_path / "checkpoints"))
    settings = Finetune(epochs=3, batch_size=64, precision="float32")
    undisturbed = get_weights(finetune_on(material, settings)[0])

    class Killed(Exception):
        pass

    def over() -> bool:
        asked.append(None)
        if len(asked) == 13:  # in the second epoch
            raise Killed
        return False

    asked: list[None] = []
    for _ in range(2):
        place = Checkpoints.for_run({"a": 1}, {})
        assert place is not None
        with place, contextlib.suppress(Killed):
            model, state = finetune_on(dataclasses.replace(material), settings, place, over=over)
            place.flush()
    assert state.step == 30 and len(asked) == 13 + 9 + 9  # it went on after the first epoch
    resumed = get_weights(model)
    for name, array in undisturbed.items():
        np.testing.assert_array_equal(resumed[name], array, err_msg=name)


@pytest.mark.parametrize(
    "head, initial, worth",
    [
        (HEAD, ENCODER, True),
        (HEAD, {}, False),
        (HEAD, {**ENCODER, f"{CLASSIFIER}.weight": np.zeros((LABELS, 16))}, False),
        (Head("sequence", NAMES[:MANY_OUTPUTS], HEAD.problem_type), ENCODER, False),
        (Head("sequence", NAMES, "multi_label_classification"), ENCODER, False),
        (Head("token", NAMES), ENCODER, False),
    ],
)
def test_where_it_is_worth_it(head: Head, initial: dict[str, np.ndarray], worth: bool) -> None:
    assert probing.is_worth_it(build(CONFIG, head, {}, seed=3), initial) == worth
