"""How good a dialogue's policy is: with simulated users, beside the rules, and by kept dialogues."""

from __future__ import annotations

from dataclasses import dataclass

from bertworks.contracts.decision import Interval
from bertworks.contracts.dialogue import JUDGEMENT, Judgement, Offline
from bertworks.contracts.runs import RunRecord
from bertworks.pages.parts import Badge, PlainPage, Table
from bertworks.pages.views import View
from bertworks.storage.artifacts import Artifact


@dataclass(frozen=True)
class JudgementPart(View):
    """The policy and the rules with simulated users, a row a rate of errors; and what else was found."""

    template = "dialogue.html.j2"

    users: Table
    said: Table


def judgement_page(name: str, found: Judgement) -> str:
    """The page of the judge-policy step."""
    return str(PlainPage(f"Policy: {name}", [_part(found)]))


def section(run: RunRecord, opened: dict[str, Artifact]) -> View | None:
    """The report's part; None where no dialogue was judged."""
    if "judgement" not in opened:
        return None
    return _part(JUDGEMENT.read(opened["judgement"]))


def _part(found: Judgement) -> JudgementPart:
    own = "learned" if found.learned else "rules"
    rows = [
        [one.errors, _share(one.success), _turns(one.turns), _turns(one.reward),
         _share(one.rules_success), _turns(one.rules_turns), _turns(one.rules_reward),
         ", ".join(f"{name} {count}" for name, count in one.endings.items())]
        for one in found.users
    ]  # fmt: skip
    headers = [
        "misunderstood", f"success, {own}", "turns", "reward", "success, rules", "turns", "reward",
        f"how they ended, {own}, of {found.dialogues}",
    ]  # fmt: skip
    true = Badge("true", "good") if not found.untrue else Badge("not true", "bad")
    lines: list[list[object]] = [
        [
            "answers", true,
            f"{found.untrue} of {found.answers:,} with a value that is not in the knowledge base, or "
            "not as asked",
        ]
    ]  # fmt: skip
    if found.learned:
        low, high = found.against_rules_low, found.against_rules_high
        lines.append(["against the rules", *_above(Interval(found.against_rules, low, high))])
    if (before := found.serving) is not None and before.gain is not None:
        lines.append([f"against version {before.version}", *_above(before.gain)])
    if found.offline is not None:
        lines.append(["by kept dialogues", *_offline(found.offline)])
    return JudgementPart(Table(headers, rows, range(1, 7)), Table(["", "", ""], lines))


def _above(gain: Interval) -> list[object]:
    low, high = gain.low or 0.0, gain.high or 0.0
    kind = Badge("worse", "bad") if high < 0 else Badge("better" if low > 0 else "alike", "good")
    return [kind, f"{gain.value:+.2f} reward a dialogue, 95 %: {low:+.2f} to {high:+.2f}"]


def _offline(found: Offline) -> list[object]:
    if not found.told:
        return [Badge("not told", "warn"), found.reason]
    text = (
        f"{found.gain:+.2f} reward a dialogue over the policy that had them ({found.logged:.2f}), 95 %: "
        f"{found.gain_low:+.2f} to {found.gain_high:+.2f}; {found.dialogues} dialogues, in effect "
        f"{found.effective:.0f}"
    )
    better = found.gain_low is not None and found.gain_low >= 0
    return [Badge("not worse", "good") if better else Badge("may be worse", "warn"), text]


def _share(value: float) -> str:
    return f"{value:.3f}"


def _turns(value: float) -> str:
    return f"{value:.2f}"
