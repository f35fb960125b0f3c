"""The trials of a search in a file: Optuna's study, one writer at a time.

What is tried next follows from the seed, the trial's number and the trials before it alone: a search
that was killed at any moment goes on as if it had not been.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np
import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock
from optuna.trial import FrozenTrial, TrialState

from bertworks.contracts.files import to_json
from bertworks.contracts.tuned import Chosen, Ended, Trial
from bertworks.spec.tuning import WHOLE, Tune
from bertworks.training.search.space import Ends, Searched, SearchSpace, Values, chosen

Cost = Callable[[Chosen], float]
"""What a step takes with some settings, by one with the spec's own."""

NAME = "tune"
RANDOM_TRIALS = 6
"""Trials, the first one among them, before the estimator (TPE, Bergstra et al. 2011) has its say."""
MORE = 1.5
"""Times the epochs of the best trial, from which on it is worth having them."""
LEAST_FOR_IMPORTANCE = 8
"""Trials that ran to their end below which shares of a variance say nothing."""
_SETTINGS, _ENDED, _SECONDS, _ERROR = "settings", "ended", "seconds", "error"
_EPOCHS, _RATE = "epochs", "rate"


@dataclass(frozen=True)
class Running:
    """A trial that is not finished.

    Attributes:
        number: From 0.
        settings: What it trains with.
        seconds: What it had taken by the end of each of its epochs, where it was cut off.
    """

    number: int
    settings: Chosen
    seconds: Sequence[float]


class Study:
    """The trials of one search.

    Args:
        file: Where they are kept; what a write that was cut off left at its end is removed.
        space: What may be tried.
        first: What trial 0 has.
        wanted: The spec's section: seed and sampler.
        lower: Whether less of the metric is better.
        cost: By which the cheap ones of the first trials come first.
        shard: Which part of the trials it is: each has seeds of its own, and the first one `first`.
        noise: By how much a value may be better by chance alone. An encoder that is worse by more than
            that, with the spec's own settings, is tried no more.
    """

    def __init__(
        self,
        file: Path,
        space: SearchSpace,
        first: Mapping[str, float | str],
        wanted: Tune,
        *,
        lower: bool,
        cost: Cost = lambda settings: 1.0,
        shard: int = 0,
        noise: float = math.inf,
    ) -> None:
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        _mend(file)
        self.space, self.first, self.wanted, self.lower = space, first, wanted, lower
        self._cost, self._shard, self._noise = cost, shard, noise
        self._direction: Literal["minimize", "maximize"] = "minimize" if lower else "maximize"
        self._study = optuna.create_study(
            storage=JournalStorage(JournalFileBackend(str(file), _AlreadyOurs(str(file)))),
            study_name=NAME,
            direction=self._direction,
            load_if_exists=True,
        )

    @property
    def finished(self) -> list[Trial]:
        """The trials that ended, by number."""
        return [_trial(one) for one in self._all() if one.state.is_finished()]

    @property
    def seconds(self) -> list[list[float]]:
        """Of each trial, what it had taken by the end of each of its epochs."""
        return [one.user_attrs.get(_SECONDS, []) for one in self._all()]

    @property
    def own_seconds(self) -> list[list[float]]:
        """The same, as if all had trained the spec's own encoder."""
        return [
            [end / self._cost(_settings(one)) for end in one.user_attrs.get(_SECONDS, [])]
            for one in self._all()
        ]

    @property
    def best(self) -> Trial | None:
        """The finished trial with the best value; of equal ones the first."""
        valued = [one for one in self.finished if one.value is not None]
        if self.wanted.folds is not None:  # a mean over some folds alone may be one over easy ones
            valued = [one for one in valued if one.ended == "complete"] or valued
        return min(valued, key=lambda one: self._loss(one.value), default=None)

    def next(self, most_epochs: float, fitting: float = 0.0) -> Running:
        """The trial that was cut off, or a new one.

        Args:
            most_epochs: Epochs of the own encoder that a new one may take, so that others can follow;
                what it is given beyond them is cut.
            fitting: Epochs that there is time for at all, where that is more: the first trial of another
                encoder may take them.
        """
        for found in self._all():
            if not found.state.is_finished():
                return Running(found.number, _settings(found), found.user_attrs.get(_SECONDS, []))
        values, settings = self._ask(most_epochs, max(most_epochs, fitting))
        # In one piece: a trial that is there has all its values.
        made = optuna.trial.create_trial(
            state=TrialState.RUNNING,
            params=values,
            distributions=self._distributions(),
            user_attrs={_SETTINGS: to_json(settings)},
        )
        self._study.add_trial(made)
        return Running(self._all()[-1].number, settings, [])

    @property
    def rate(self) -> float | None:
        """Tokens a second of the latest trial that told; None: none has."""
        rates = [one.user_attrs[_RATE] for one in self._all() if _RATE in one.user_attrs]
        return rates[-1] if rates else None

    def pace(self, number: int, rate: float) -> None:
        """Keeps on how many tokens a second a trial is trained: what comes after it hangs on that."""
        self._note(number, _RATE, rate)

    def report(self, number: int, rungs: Sequence[float], seconds: Sequence[float]) -> None:
        """Keeps what is known of a trial after an epoch; again is no harm."""
        known = self._all()[number].intermediate_values
        trial = self._open(number)
        for epoch, value in enumerate(rungs, start=1):
            if epoch not in known:
                trial.report(value, epoch)
        self._note(number, _SECONDS, list(seconds))

    def cost(self, settings: Chosen) -> float:
        """What a step with these settings takes, by one with the spec's own."""
        return self._cost(settings)

    def end(
        self,
        number: int,
        ended: Ended,
        value: float | None,
        error: float | None = None,
        *,
        epochs: int = 0,
    ) -> None:
        """Finishes a trial; one that did not run to its end has the value of its last epoch.

        Args:
            number: Of the trial.
            ended: How.
            value: What it came to; None: to nothing.
            error: Of that value.
            epochs: That its schedule had, where these are fewer than it was begun with; 0: they are not.
        """
        if epochs:
            self._note(number, _EPOCHS, epochs)
        if error is not None:
            self._note(number, _ERROR, error)
        self._note(number, _ENDED, ended)
        if ended == "limits":
            self._study.tell(number, state=TrialState.FAIL)
        elif ended == "complete":
            self._study.tell(number, value)
        else:
            self._study.tell(number, state=TrialState.PRUNED)

    def importance(self) -> dict[str, float]:
        """Setting to its share of the variance of the values, from the largest; see `Tuned`."""
        varied = [
            name for name, one in self.space.items() if isinstance(one, Ends) or one.values[1:]
        ]
        whole = [one.value for one in self.finished if one.ended == "complete"]
        if len(whole) < LEAST_FOR_IMPORTANCE or len(set(whole)) < 2 or not varied:
            return {}
        evaluator = optuna.importance.FanovaImportanceEvaluator(seed=self.wanted.seed)
        found = optuna.importance.get_param_importances(
            self._study, evaluator=evaluator, params=varied
        )
        return {name: round(share, 4) for name, share in found.items()}

    @property
    def others(self) -> list[Chosen]:
        """The spec's own settings with each other encoder that is tried before anything is drawn."""
        return [chosen(one) for one in self._of_other_bases()]

    @property
    def least_cost(self) -> float:
        """What a step of the next trial takes at least, by one with the spec's own settings."""
        bases = self.space.get("base")
        if not isinstance(bases, Values) or not (out := self._beaten()):
            return 1.0
        left = [name for name in bases.values if name not in out]
        return min(self._cost(chosen({**self.first, "base": name})) for name in left)

    def _beaten(self) -> set[str]:
        """Encoders that are out of the running, by the trials with the spec's own settings."""
        own = replace(chosen(_whole(self.first)), base=None, epochs=None)
        had = [
            (one.settings.base, [self._loss(value) for value in one.rungs])
            for one in self.finished
            if one.rungs and one.settings.base is not None
            and replace(one.settings, base=None, epochs=None) == own
        ]  # fmt: skip
        return beaten(had, self._noise)

    def _in_the_running(self, values: dict[str, Any]) -> dict[str, Any]:
        """Values that were drawn, with the best encoder where theirs has no chance."""
        best = self.best
        if best is None or best.settings.base is None or values.get("base") not in self._beaten():
            return values
        return {**values, "base": best.settings.base}

    @property
    def least_epochs(self) -> float:
        """Of a trial: with fewer than may be tried nothing can be told of its settings."""
        epochs = self.space.get("epochs")
        return epochs.low if isinstance(epochs, Ends) else 1

    def _settings_within(self, values: Mapping[str, float | str], most_epochs: float) -> Chosen:
        """What a trial with these values has, where so many epochs of the own encoder may be taken."""
        settings = chosen(values)
        if settings.epochs is None or math.isinf(most_epochs):
            return settings
        most = max(1.0, most_epochs / self._cost(settings))
        return replace(settings, epochs=int(min(settings.epochs, most)))

    def _ask(self, most_epochs: float, fitting: float) -> tuple[dict[str, Any], Chosen]:
        """What the next trial has, by a sampler of its own on a copy: nothing is kept half."""
        known = self._all()
        likely = self._likely(known, most_epochs, fitting) if self._shard == 0 else None
        if likely is not None:
            return likely
        if self.wanted.sampler == "tpe" and len(known) < RANDOM_TRIALS:
            tried = [one.params for one in known]
            for values in map(self._in_the_running, self._drawn_trials()):
                settings = self._settings_within(values, most_epochs)
                if values not in tried and (settings.epochs or math.inf) >= self.least_epochs:
                    return values, settings
        seed = self._seed(len(known))
        sampler: optuna.samplers.BaseSampler = (
            optuna.samplers.RandomSampler(seed)
            if self.wanted.sampler == "random"
            else optuna.samplers.TPESampler(seed=seed, n_startup_trials=RANDOM_TRIALS)
        )
        copy = optuna.create_study(direction=self._direction, sampler=sampler)
        copy.add_trials(known)
        drawn = self._in_the_running(copy.ask(self._distributions()).params)
        values, settings = self._cut(drawn, most_epochs)
        if "base" in values and (settings.epochs or math.inf) < self.least_epochs:
            own = self._in_the_running({**values, "base": self.first["base"]})
            return self._cut(own, most_epochs)
        return values, settings

    def _cut(self, values: dict[str, Any], most: float) -> tuple[dict[str, Any], Chosen]:
        return values, self._settings_within(values, most)

    def _likely(
        self, known: Sequence[FrozenTrial], most_epochs: float, fitting: float
    ) -> tuple[dict[str, Any], Chosen] | None:
        """What most often wins, before anything is drawn: few minutes have trials for little else.

        The spec's own settings; they suit each other encoder as well; with twice the epochs for one of
        those that is the best so far, or as many as fit where that is enough to tell; again, where the
        first trial was cut short and its encoder may still be the best; and with twice the epochs for
        that.

        Returns:
            A trial's values and settings; None: all of it was tried, or does not fit.
        """
        own, tried = _whole(self.first), [one.params for one in known]
        if not known:
            return self._cut(own, most_epochs)
        for values in self._of_other_bases():
            settings = self._settings_within(values, fitting)
            if values not in tried and (settings.epochs or math.inf) >= self.least_epochs:
                return values, settings
        best, first = self.best, self.first.get("base")
        longer = self._longer(known, most_epochs)
        if longer and best and best.settings.base != first:
            return longer
        cut = tried.count(own) == 1 and known[0].user_attrs.get(_ENDED) == "minutes"
        if cut and first not in self._beaten():
            return self._cut(own, most_epochs)
        return longer

    def _longer(
        self, known: Sequence[FrozenTrial], most_epochs: float
    ) -> tuple[dict[str, Any], Chosen] | None:
        """The own settings with twice the epochs for the best encoder, where that was not tried yet."""
        epochs, best = self.space.get("epochs"), self.best
        early = self.wanted.sampler == "tpe" and len(known) < RANDOM_TRIALS
        if not early or not isinstance(epochs, Ends) or best is None:
            return None
        base = {} if best.settings.base is None else {"base": best.settings.base}
        twice = min(epochs.high, 2 * float(self.first["epochs"]))
        values = _whole({**self.first, **base, "epochs": twice})
        settings = self._settings_within(values, most_epochs)
        enough = (settings.epochs or 0) >= MORE * (best.settings.epochs or 0)
        tried = any(one.params == values for one in known)
        return (values, settings) if enough and not tried else None

    def _of_other_bases(self) -> list[dict[str, Any]]:
        """The spec's own settings, for each other encoder; in one part, and where not all is drawn."""
        bases = self.space.get("base")
        all_drawn = self._shard != 0 or self.wanted.sampler != "tpe"
        names = bases.values if isinstance(bases, Values) and not all_drawn else ()
        return [
            _whole({**self.first, "base": name}) for name in names if name != self.first.get("base")
        ]

    def _drawn_trials(self) -> list[dict[str, Any]]:
        """Those that are drawn at random before the estimator has its say, the cheap ones first.

        What a cheap trial tells of a setting is known sooner, and holds for the dear ones as well.
        """
        drawn = []
        for number in range(int(self._shard == 0), RANDOM_TRIALS):
            sampler = optuna.samplers.RandomSampler(self._seed(number))
            study = optuna.create_study(direction=self._direction, sampler=sampler)
            drawn.append(study.ask(self._distributions()).params)

        def takes(values: dict[str, Any]) -> float:
            settings = chosen(values)
            return self._cost(settings) * (settings.epochs or 1)

        return sorted(drawn, key=takes)

    def _seed(self, number: int) -> int:
        parts = [self.wanted.seed, *([self._shard] if self._shard else []), number]
        return int(np.random.SeedSequence(parts).generate_state(1)[0])

    def _distributions(self) -> dict[str, optuna.distributions.BaseDistribution]:
        return {name: _distribution(one) for name, one in self.space.items()}

    def _all(self) -> list[FrozenTrial]:
        return self._study.get_trials(deepcopy=False)

    def _open(self, number: int) -> optuna.Trial:
        return optuna.Trial(self._study, self._all()[number]._trial_id)

    def _note(self, number: int, name: str, value: Any) -> None:
        self._open(number).set_user_attr(name, value)

    def _loss(self, value: float | None) -> float:
        assert value is not None
        return value if self.lower else -value


def beaten(trials: Sequence[tuple[str, Sequence[float]]], noise: float) -> set[str]:
    """Encoders than each of whose trials one of another encoder is better by more than chance.

    Of two trials the longer one counts as far as the shorter one went; the best one of all is never
    beaten.

    Args:
        trials: Of each, its encoder and its least loss so far by epoch.
        noise: What chance alone makes of it.
    """

    def lost(base: str, losses: Sequence[float]) -> bool:
        return any(
            losses[-1] - others[min(len(losses), len(others)) - 1] > noise
            for other, others in trials
            if other != base
        )

    return {base for base, _ in trials} - {base for base, one in trials if not lost(base, one)}


def _whole(values: Mapping[str, float | str]) -> dict[str, Any]:
    """Values with whole numbers where a setting takes no others."""
    return {name: int(value) if name in WHOLE else value for name, value in values.items()}


class _AlreadyOurs(JournalFileOpenLock):
    """The folder is locked by whoever opened it; Optuna's locks would outlive a process."""

    def acquire(self) -> bool:
        return True

    def release(self) -> None:
        pass


def _mend(file: Path) -> None:
    """Cuts off a last line that was not written to its end: no JSON with what is appended."""
    if not file.exists():
        return
    content = file.read_bytes()
    whole = content[: content.rfind(b"\n") + 1]
    if whole != content:
        with file.open("r+b") as stream:
            stream.truncate(len(whole))


def _distribution(searched: Searched) -> optuna.distributions.BaseDistribution:
    if not isinstance(searched, Ends):
        return optuna.distributions.CategoricalDistribution(list(searched.values))
    if searched.whole:
        return optuna.distributions.IntDistribution(int(searched.low), int(searched.high))
    return optuna.distributions.FloatDistribution(searched.low, searched.high, log=searched.log)


def _settings(found: FrozenTrial) -> Chosen:
    begun = Chosen(**found.user_attrs[_SETTINGS])
    # Before its end a trial is known by what it was begun with: its checkpoints are.
    shortened = found.user_attrs.get(_EPOCHS) if found.state.is_finished() else None
    return replace(begun, epochs=shortened) if shortened else begun


def _trial(found: FrozenTrial) -> Trial:
    rungs = [value for _, value in sorted(found.intermediate_values.items())]
    return Trial(
        found.number,
        _settings(found),
        rungs,
        found.value if rungs else None,
        cast(Ended, found.user_attrs[_ENDED]),
        found.user_attrs.get(_ERROR),
    )
