"""A challenger against the champion: who is put back, who is promoted, and how seldom that is wrong."""

import json

import numpy as np
import pytest
from pydantic import ValidationError

from bertworks.contracts.files import to_json
from bertworks.contracts.upgrades import TRIAL, TrialState
from bertworks.serving.upgrades.comparison import Comparison, Observed
from bertworks.serving.upgrades.matching import Blocks, difference, share_above
from bertworks.spec.upgrades import Canary

RUNS = 60
LONG = Canary(least_requests=10**6)  # never promoted, so that every look for a fault is taken


def trial(
    seed,
    requests=3000,
    *,
    rules=None,
    failing=(0.002, 0.002),
    factor=1.0,
    sure=(0.8, 0.8),
    otherwise=0.05,
    labels=None,
    share=0.3,
):
    """A whole trial, looked at after each request; both arms' figures as (champion, challenger)."""
    stream = np.random.default_rng(seed)
    found = Comparison(rules or Canary())
    arms = stream.random(requests) < share
    seconds = stream.lognormal(-4.5, 0.6, requests) * np.where(arms, factor, 1)
    failed = stream.random(requests) < np.where(arms, *failing[::-1])
    noise = stream.uniform(-0.15, 0.15, requests)
    for new, took, broke, off in zip(arms, seconds, failed, noise, strict=True):
        arm = "challenger" if new else "champion"
        seen = Observed(True) if broke else Observed(False, float(took), sure[int(new)] + off)
        found.add(arm, seen)
        if new and otherwise is not None:
            found.add_pair(float(stream.random() >= otherwise))
        if labels:
            found.add_labelled(arm, float(stream.random() < labels[int(new)]))
        if verdict := found.verdict():
            return verdict, found
    return None, found


def test_one_that_is_alike_is_promoted():
    verdict, found = trial(0)
    assert verdict.promote
    assert verdict.reason == (
        "All limits are kept: errors, slower, slow, confidence, disagreement."
    )
    assert found.requests["challenger"] >= 100


@pytest.mark.parametrize(
    ("worse", "name"),
    [
        ({"failing": (0.002, 0.08)}, "errors"),
        ({"factor": 2.0}, "slower"),
        ({"sure": (0.8, 0.55)}, "confidence"),
        ({"otherwise": 0.5}, "disagreement"),
        ({"labels": (0.9, 0.7)}, "accuracy"),
    ],
)
def test_one_that_is_worse_is_put_back_for_that(worse, name):
    verdict, _ = trial(1, **worse)
    assert not verdict.promote
    assert f"The limit on {name} is broken" in verdict.reason


def test_one_that_fails_always_is_put_back_after_a_dozen_requests():
    verdict, found = trial(2, failing=(0.0, 1.0))
    assert not verdict.promote
    assert found.requests["challenger"] <= 15
    assert found.failed == {"champion": 0, "challenger": found.requests["challenger"]}


def test_a_slow_tail_is_found_where_most_requests_are_as_fast():
    stream = np.random.default_rng(3)
    found = Comparison(LONG)
    for number in range(4000):
        new = number % 2 == 1
        late = new and stream.random() < 0.25
        found.add(
            "challenger" if new else "champion",
            Observed(False, float(stream.uniform(0.9, 1.1) * (10 if late else 1))),
        )
        if verdict := found.verdict():
            break
    assert "The limit on slow is broken" in verdict.reason


def test_one_that_keeps_all_limits_is_seldom_put_back():
    """At the very limits, where a fault is nearest; the level is 0.05 for all of them together."""
    runs = [
        trial(seed, 300, rules=LONG, failing=(0.0, 0.01), factor=1.25, otherwise=0.2, share=0.5)[0]
        for seed in range(RUNS)
    ]
    assert (
        sum(one is not None for one in runs) / len(runs) <= 0.05 + 3 * (0.05 * 0.95 / RUNS) ** 0.5
    )


def test_one_that_breaks_a_limit_is_seldom_promoted():
    quick = Canary(least_requests=1, errors=0.2, slow=0.2, confidence=None, disagreement=None)
    runs = [
        trial(seed, 300, rules=quick, factor=1.3, otherwise=None, share=0.5)[0]
        for seed in range(RUNS)
    ]
    promoted = sum(one is not None and one.promote for one in runs)
    assert promoted / len(runs) <= 0.05 + 3 * (0.05 * 0.95 / RUNS) ** 0.5


def test_figures_tell_what_was_seen():
    _, found = trial(4, 2000, rules=LONG, failing=(0.0, 0.0), otherwise=0.1)
    figures = {one.name: one for one in found.figures()}
    assert figures["errors"].value == 0
    assert figures["disagreement"].value == pytest.approx(0.1, abs=0.03)
    assert figures["disagreement"].low < 0.1 < figures["disagreement"].high
    assert figures["disagreement"].kept > 1.3 > figures["disagreement"].broken
    assert figures["accuracy"].value is None
    assert figures["accuracy"].compared == 0


def test_labels_that_are_required_are_waited_for():
    rules = Canary(labels="required")
    assert trial(0, 2500, rules=rules)[0] is None
    verdict, _ = trial(0, rules=rules, labels=(0.8, 0.9))
    assert verdict.promote
    assert verdict.reason.endswith("accuracy.")


def test_with_accuracy_zero_it_must_be_better():
    rules = Canary(accuracy=0.0, labels="required")
    assert trial(0, 2500, rules=rules, labels=(0.8, 0.8))[0] is None
    assert trial(0, rules=rules, labels=(0.7, 0.9))[0].promote


def test_labels_of_rows_that_both_answered_say_more():
    one, other = Comparison(Canary()), Comparison(Canary())
    stream = np.random.default_rng(7)
    for _ in range(400):
        hard, harder = stream.random(2) < 0.3  # the second row is another one
        wrong = stream.random() < 0.1
        one.add_labelled_pair(float(not hard), float(not (hard or wrong)))
        other.add_labelled("champion", float(not hard))
        other.add_labelled("challenger", float(not (harder or wrong)))
    evidence = [each.figures()[-1].broken for each in (one, other)]
    assert evidence[0] > evidence[1]


def test_several_servers_ask_for_more_each():
    def needed(servers):
        found = Comparison(Canary(), servers)
        while found.verdict() is None:
            found.add("champion", Observed(False))
            found.add("challenger", Observed(True))
        return found.requests["challenger"]

    assert needed(1) < needed(20)


def test_a_task_without_confidence_is_judged_without():
    found = Comparison(Canary(disagreement=None, least_requests=10))
    for _ in range(2000):
        found.add("champion", Observed(False, 1.0))
        found.add("challenger", Observed(False, 1.0))
    assert found.verdict().reason == "All limits are kept: errors, slower, slow."


def test_blocks_take_what_is_near_in_time():
    blocks = Blocks()
    assert [blocks.add("champion", value) for value in (1.0, 0.0)] == [None, None]
    assert blocks.add("challenger", 1.0) == ([1.0, 0.0], [1.0])
    assert blocks.add("challenger", 1.0) is None
    assert blocks.add("champion", 0.0) == ([0.0], [1.0])
    for value in range(100):
        blocks.add("champion", float(value))
    assert blocks.add("challenger", 0.0)[0] == [float(value) for value in range(36, 100)]


def test_differences_of_blocks():
    assert difference([1.0, 0.0], [1.0]) == 0.5
    assert share_above([1.0, 2.0], [1.5], 1.0) == 0.5
    assert share_above([1.0], [1.25], 1.25) == 0.0


def test_rules_that_cannot_be_are_refused():
    for wrong in ({"share": 0}, {"errors": 0}, {"by": "text"}, {"shar": 0.1}, {"false_alarm": 0.9}):
        with pytest.raises(ValidationError):
            Canary(**wrong)


def test_a_trial_that_was_kept_and_read_goes_on_as_if_nothing_had_been():
    """Cut anywhere, what comes after it is the same to the last digit."""
    stream = np.random.default_rng(3)
    rules = Canary(least_requests=10**6)
    whole, parted = Comparison(rules), Comparison(rules)
    for number in range(1200):
        arm = "challenger" if stream.random() < 0.3 else "champion"
        seen = Observed(False, float(stream.lognormal(-4, 0.5)), float(stream.uniform(0.5, 1)))
        pair, right = float(stream.random() < 0.9), float(stream.random() < 0.8)
        for one in (whole, parted):
            one.add(arm, seen)
            one.add_pair(pair)
            one.add_labelled(arm, right)
        if number in (1, 150, 700):
            kept = TrialState(
                "mood", "", "", "", "", 1, {}, dict(parted.requests), dict(parted.failed),
                parted.limits, parted.waiting, parted.latest, {},
            )  # fmt: skip
            raw = json.dumps(to_json(kept))
            parted = Comparison(rules)
            parted.resume(TRIAL.parse(raw, "evidence.json"))
    assert parted.figures() == whole.figures() and parted.requests == whole.requests
    assert parted.limits == whole.limits and parted.waiting == whole.waiting
    with pytest.raises(ValueError, match="other limits"):
        Comparison(Canary(confidence=None)).resume(kept)
