"""How a search and the pruning behind it share a run's minutes, without models."""

from __future__ import annotations

import types
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bertworks.compression.pruning.prune import ASKED, CUTTING, DISTILLED
from bertworks.deadline import BEHIND, UNTIL, Deadline, deadline
from bertworks.spec import Tune
from bertworks.training.search.budget import MOST_LATE, MOST_PRUNING, Budget
from bertworks.training.search.fine_tuning import _pruning
from bertworks.training.search.space import Values
from bertworks.training.search.study import Study
from tests.training.test_search_parts import FIRST, SPACE, Clock, Pretended, study, trials

SHARE = 0.6


def budget_of(clock: Clock, seconds: float) -> Budget:
    """Of a run with so many seconds for search and pruning, of which the search has its share."""
    return Budget(SHARE * seconds / 60, clock=clock, deadline=Deadline(clock.now + seconds, clock))


def test_trials_end_early_enough_for_pruning() -> None:
    clock = Clock()
    budget = budget_of(clock, 1000)
    assert budget.left == pytest.approx(600)
    budget.hold_back(50, pruning=300)  # fits into what the share leaves
    assert budget.left == pytest.approx(550)
    budget.hold_back(50, pruning=450)
    assert budget.left == pytest.approx(1000 - 450 - 50)
    # What would take more than half of it all is not waited for: the search has the whole.
    budget.hold_back(50, pruning=501)
    assert budget.left == pytest.approx(950)
    budget.hold_back(50)
    assert budget.left == pytest.approx(550)


@settings(max_examples=60)
@example(seconds=1000, epoch=186, pruning=450, seed=1)  # a little late, three epochs would fit
@example(seconds=120, epoch=40.5, pruning=100, seed=1)
@given(
    seconds=st.floats(120, 3600), epoch=st.floats(5, 200), pruning=st.floats(20, 2000),
    seed=st.integers(0, 99),
)  # fmt: skip
def test_a_search_leaves_time_for_pruning_or_takes_all_of_it(
    tmp_path_factory: pytest.TempPathFactory,
    seconds: float,
    epoch: float,
    pruning: float,
    seed: int,
) -> None:
    clock = Clock()
    began = clock.now
    budget = budget_of(clock, seconds)
    run = replace(trials(Tune(minutes=SHARE * seconds / 60)), pruning=lambda rate: pruning)
    folder: Path = tmp_path_factory.mktemp("study")
    found = run.run(study(folder, seed), Pretended(clock, epoch), budget)
    took = clock.now - began
    if len(found.trials) == 1 and len(found.trials[0].rungs) == 1:
        return  # the first epoch is trained in any case, before anything is known
    assert took <= (1 + MOST_LATE) * seconds + 1e-6
    if pruning <= MOST_PRUNING * seconds:
        assert seconds - took >= pruning - 1e-6
    elif found.ended == "minutes":
        # Too little is left for the least that a trial can be.
        assert seconds - took < 2 * epoch + 1e-6 or len(found.trials) == 1


class Rows:
    """All that is asked of rows here: their lengths."""

    def __init__(self, lengths: np.ndarray) -> None:
        self.lengths = lengths

    def __len__(self) -> int:
        return len(self.lengths)


def test_pruning_takes_what_the_rows_take_and_the_other_steps_again() -> None:
    material = types.SimpleNamespace(
        train=Rows(np.full(100, 20)), validation=Rows(np.full(10, 30)),
        info=types.SimpleNamespace(rows={"train": 100, "test": 5}),
    )  # fmt: skip
    seconds = _pruning(material, 30.0)  # type: ignore[arg-type]
    assert seconds(0.0) is None
    asked = (2 * 5 * 30 + 3 * 300) / (3 * 50)
    learned = (ASKED + DISTILLED) * 2000 / 50
    assert seconds(50.0) == pytest.approx(30 + asked + CUTTING + learned)


def test_a_step_knows_what_is_held_back_behind_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(UNTIL, raising=False)
    monkeypatch.setenv(BEHIND, "12.5")
    assert deadline() == Deadline()
    monkeypatch.setenv(UNTIL, "1000")
    found = deadline()
    assert (found.until, found.behind) == (1000, 12.5) and found.earlier(10).behind == 12.5


def test_a_trial_may_be_late_with_its_last_epoch_where_nothing_else_needs_the_time() -> None:
    clock = Clock()
    budget = budget_of(clock, 1000)
    budget.grant(60)
    assert budget.left == pytest.approx(620)
    budget.grant(600)  # no more of it than a twentieth of the search's own time
    assert budget.left == pytest.approx(630)
    budget.hold_back(0, pruning=450)
    assert budget.left == pytest.approx(550)
    budget.grant(0)
    budget.hold_back(0)
    assert budget.left == pytest.approx(600)


def test_no_trial_is_cut_off_shortly_before_its_end(tmp_path: Path) -> None:
    """The machine is busier in the last epoch than it was before."""

    class Busier(Pretended):
        def train(self, chosen, settings, judge, over, name):
            had = []

            def judged(state):
                had.append(1)
                self.seconds = 12.0 if len(had) == settings.epochs - 1 else 10.0
                return judge(state)

            return super().train(chosen, settings, judged, over, name)

    clock = Clock()
    found = trials(Tune(minutes=41 / 60, trials=1)).run(
        study(tmp_path), Busier(clock), Budget(41 / 60, clock=clock)
    )
    assert [one.ended for one in found.trials] == ["complete"] and clock.now == 42


@pytest.mark.parametrize("minutes", [14.0, 20.0, 30.0, 45.0])
def test_a_deeper_encoder_gets_no_more_epochs_than_its_own_pruning_leaves_time_for(
    tmp_path: Path, minutes: float
) -> None:
    """Its schedule runs to its end: one that is cut off has not lowered its rate."""
    clock = Clock()

    class Slower(Pretended):
        def train(self, chosen, settings, judge, over, name):
            self.seconds = 120.0 if chosen.base == "deep" else 60.0

            def judged(state):
                state.tokens, state.seconds = 1000, self.seconds
                return judge(state)

            return super().train(chosen, settings, judged, over, name)

    run = replace(trials(Tune(minutes=minutes)), pruning=lambda rate: 1.6 * 1000 / rate)
    found = run.run(
        Study(
            tmp_path / "study.jsonl", {**SPACE, "base": Values(("own", "deep"))},
            {**FIRST, "base": "own"}, Tune(minutes=minutes), lower=False, noise=0.5,
            cost=lambda one: 2.0 if one.base == "deep" else 1.0,
        ),
        Slower(clock), budget_of(clock, 60 * minutes),
    )  # fmt: skip
    deep = [one for one in found.trials if one.settings.base == "deep"]
    assert deep and deep[0].ended == "complete"
    assert 60 * minutes - clock.now >= 1.6 * 120 - 1e-6


@pytest.mark.parametrize("killed_at", [14, 15, 17])
def test_a_killed_search_knows_that_pruning_is_not_waited_for(
    tmp_path: Path, killed_at: int
) -> None:
    """It was at work beyond its share, as pruning would take more than half: it still is."""
    clock = Clock()
    run = replace(trials(Tune(minutes=10)), pruning=lambda rate: 600.0)
    with pytest.raises(KeyboardInterrupt):
        run.run(study(tmp_path), Pretended(clock, 50.0, killed_at), budget_of(clock, 1000))
    assert clock.now > SHARE * 1000
    left = Deadline(1000, clock)
    found = run.run(
        study(tmp_path), Pretended(clock, 50.0), Budget(10, clock.now, clock, deadline=left)
    )
    assert found.ended == "minutes" and 1000 - 2 * 50 < clock.now <= 1000
