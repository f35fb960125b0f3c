"""The spec of what was found out: its sections, and the reason of each value."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from bertworks.bounded_yaml import Key
from bertworks.data.inspection import rules
from bertworks.data.inspection.columns import Roles
from bertworks.data.inspection.decisions import Decision, Decisions
from bertworks.data.inspection.dry import Read, texts_of, too_few
from bertworks.data.inspection.findings import Findings, findings_of
from bertworks.data.inspection.gathering import Gathered
from bertworks.data.inspection.language import Language, capitals_tell, language_of
from bertworks.data.inspection.lengths import lengths_of, tokenizer_at_hand
from bertworks.data.inspection.places import SPLITS
from bertworks.data.inspection.sampling import Sample
from bertworks.data.inspection.texts import Tagged
from bertworks.data.rows.examples import LEAST_ROWS
from bertworks.data.rows.tally import Tally
from bertworks.spec import Base, Clean

Kept = tuple[Sample, dict[str, Any], Read]
_SHARES = (0.1, 0.15, 0.2, 0.25, 0.3)
_MOST_FILES = 12
_SHOWN_LABELS = 5


@dataclass(frozen=True)
class Material:
    """All that a spec is made of.

    Attributes:
        name: The agent's.
        data: As it was named.
        gathered: The places.
        roles: What columns are for.
        kept: The places that are read, with their settings and their rows.
        clean: How texts are cleaned.
    """

    name: str
    data: tuple[str, ...]
    gathered: Gathered
    roles: Roles
    kept: list[Kept]
    clean: Clean


@dataclass(frozen=True)
class Composed:
    """A spec and its reasons.

    Attributes:
        content: The spec, as YAML has it.
        decisions: In the order of the spec.
        rows: Rows that were read.
        whole: Whether these were all.
    """

    content: dict[str, Any]
    decisions: list[Decision]
    rows: int
    whole: bool

    def add(self, subject: str, value: str, reason: str, key: Key) -> None:
        """Notes one more decision, of who asked for the spec."""
        self.decisions.append(Decision(subject, value, reason, key))


def source_of(sample: Sample, roles: Roles, label: str, gathered: Gathered) -> dict[str, Any]:
    """A place's settings as a source of the spec, its split left out."""
    source = {**sample.source, **_named(sample, roles)}
    columns = {key: value for key, value in roles.columns.items() if value != key or key == "extra"}
    if label:
        columns.pop("label", None)
        source["constants"] = {"label": label}
    names = source.get("names")
    if names:
        columns = {key: names[_place(value)] if isinstance(value, str) and value.startswith("column_")
                   else value for key, value in columns.items()}  # fmt: skip
        columns = {key: value for key, value in columns.items() if value != key}
    if columns:
        source["columns"] = columns
    source |= roles.settings
    if not label:
        source |= gathered.label_names
    return source


def _place(name: str) -> int:
    return int(name.rpartition("_")[2]) - 1


def _named(sample: Sample, roles: Roles) -> dict[str, Any]:
    """The names of a table without a header, those of the columns that are read by their use."""
    if not sample.shape.names:
        return {}
    names = list(sample.shape.names)
    for role in ("text", "text_a", "text_b", "label", "tokens", "tags"):
        column = roles.columns.get(role)
        if column in names:
            own = "score" if role == "label" and roles.task["type"] == "regression" else role
            names[names.index(column)] = own
    return {"names": names}


def compose(made: Material, decisions: Decisions) -> Composed:
    """Puts the sections together.

    Raises:
        DataError: One class, or too few rows.
    """
    reads = [one for _, _, one in made.kept]
    whole = all(sample.whole for sample, _, _ in made.kept)
    plan = _splits(made)
    findings = findings_of(reads, plan.homes, plan.shares)
    rules.check_classes(made.roles, findings, made.kept[0][0].place.name)
    if findings.contents < LEAST_ROWS:
        raise too_few(findings.contents)
    plan = _with_rows(plan, reads, findings)
    findings = findings_of(reads, plan.homes, plan.shares)
    _tell_files(made, decisions)
    named = any(source.get("label_names") for _, source, _ in made.kept)
    shown = findings if named or made.roles.learned is None else rules.merged(findings)
    task = _task(made, shown, decisions)
    texts = texts_of(reads)
    plain = [text for row in texts for text in row]
    language = language_of(plain)
    _tell_language(language, decisions)
    tagging = made.roles.task["type"] == "tagging"
    base = rules.base_for(language, decisions, cased=tagging and capitals_tell(plain))
    cut = _length(task, texts, base, language, decisions)
    data = _data(made, plan, findings, whole, decisions)
    what = _description(made, shown)
    content: dict[str, Any] = {"name": made.name, "description": what, "task": task, "data": data}
    if base:
        content["base"] = base
    content |= rules.settings_of(made.roles, shown, whole, decisions)
    if extra := made.roles.columns.get("extra"):
        content["evaluate"] = {"slices": ["length", "source", "label", *extra]}
        decisions.add(
            "slices", ", ".join(extra), "few values each: what the agent is worth is told for each",
            ("evaluate", "slices"),
        )  # fmt: skip
    if (checks := rules.checks_of(made.roles, shown, cut, decisions)) is not None:
        content["validate"] = {"checks": checks}
    return Composed(content, decisions.made, findings.rows, whole)


def _description(made: Material, findings: Findings) -> str:
    """What the agent is for, in a sentence."""
    labels = [label for label, _ in findings.labels.most_common(_SHOWN_LABELS)]
    more = len(findings.labels) - len(labels)
    shown = ", ".join(f"{label:.40}" for label in labels) + (f" and {more} more" if more else "")
    of = "two texts" if made.roles.task.get("pair") else "a text"
    if made.roles.task["type"] == "tagging":
        return f"Finds in a text: {shown}."
    if made.roles.task["type"] == "understanding":
        return f"Understands turns: {shown.replace('intent:', '')}."
    if made.roles.task["type"] == "regression":
        named = str(made.roles.columns["label"])
        return f"Gives the {'score' if made.kept[0][0].shape.names else named} of {of} as a number."
    any_of = "any number of: " if made.roles.task.get("multi_label") else ""
    return f"Tells of {of} {any_of or 'whether it is: '}{shown}."


@dataclass(frozen=True)
class _Plan:
    """Which split each place is for, and the shares of those that are split by content."""

    homes: dict[int, str]
    shares: tuple[float, float]
    said: str
    reason: str


def _splits(made: Material) -> _Plan:
    """The official splits, by a column or by the files' names, and what they leave to be made."""
    column = made.roles.split
    if column is not None:
        have = set(column[1])
        reason = f"official, by the column {column[0]!r}"
        homes = dict.fromkeys(range(len(made.kept)), "")
    else:
        named = [sample.place.split for sample, _, _ in made.kept]
        have = set(named) - {""}
        if len(have) < 2 or "train" not in have:
            have, named = set(), [""] * len(named)
        reason = "official, by the files' names"
        homes = dict(enumerate(named))
    if not have:
        reason = "by the hash of each text, so that no row changes its split when there are more"
        return _Plan(homes, (0.1, 0.1), "80 % train, 10 % validation, 10 % test", reason)
    shares = (0.0 if "validation" in have else 0.1, 0.0 if "test" in have else 0.1)
    said = ", ".join(split for split in SPLITS if split in have)
    if any(shares):
        homes = {number: "" if split == "train" else split for number, split in homes.items()}
        missing = " and ".join(s for s, share in zip(SPLITS[1:], shares, strict=True) if share)
        reason += f"; 10 % of train become {missing}"
    return _Plan(homes, shares, said, reason)


def _with_rows(plan: _Plan, reads: Sequence[Read], findings: Findings) -> _Plan:
    """The plan with shares that leave no split empty.

    Raises:
        DataError: There are too few rows for any.
    """
    if plan.homes and any(one for one in plan.homes.values()) and not any(plan.shares):
        return plan
    for share in _SHARES:
        shares = (share if plan.shares[0] else 0.0, share if plan.shares[1] else 0.0)
        found = findings_of(reads, plan.homes, shares).splits
        wanted = ["train", *(s for s, own in zip(SPLITS[1:], shares, strict=True) if own)]
        least = 1 if findings.contents < 200 else 5
        if all(found[split] >= least for split in wanted):
            said = plan.said
            if share != _SHARES[0] and all(shares):
                said = f"{1 - 2 * share:.0%} train, {share:.0%} validation, {share:.0%} test"
            return _Plan(plan.homes, shares, said, plan.reason)
    raise too_few(findings.contents)


def _tell_files(made: Material, decisions: Decisions) -> None:
    shapes = list(dict.fromkeys(sample.shape.said for sample, _, _ in made.kept))
    rows = sum(one.rows for _, _, one in made.kept)
    files = sum(len(sample.place.files) for sample, _, _ in made.kept)
    shown = f"{files} file{'' if files == 1 else 's'}, {rows:,} rows"
    first = made.kept[0][0]
    likely = first.shape.likely
    reason = (
        "told by its first bytes and lines" if files == 1 else "told by their first bytes and lines"
    )
    if likely.encoding:
        reason = f"its bytes are no UTF-8; {likely.encoding} has the letters of a language"
    if likely.rival:
        reason += f", and so has {likely.rival}: {likely.example[0]!r} or {likely.example[1]!r}"
    mixed = next(
        (sample.shape.likely for sample, _, _ in made.kept if sample.shape.likely.mixed), None
    )
    if mixed is not None:
        reason = mixed.said().rstrip(".")
    decisions.add(
        "format", f"{'; '.join(shapes[:3])} ({shown})", reason, ("data",),
        guessed=bool(likely.rival or mixed),
    )  # fmt: skip
    if not all(sample.whole for sample, _, _ in made.kept):
        size = sum(sample.size for sample, _, _ in made.kept)
        decisions.add(
            "sample", f"{rows:,} rows", f"the files have {size / 1e6:,.0f} MB; rows from all over them "
            "were looked at, not all: what is counted here is of these", ("data",),
        )  # fmt: skip
    tally = Tally()
    for _, _, one in made.kept:
        tally.take(one.tally)
    for notice in tally.notices():
        decisions.add(
            "read", _cases(notice.count or 0), notice.text.rstrip("."), ("data",),
            guessed=notice.level == "warning",
        )  # fmt: skip
    aside = made.gathered.aside
    for name, reason in aside[:_MOST_FILES]:
        if not any(one.value == f"without {name}" for one in decisions.made):
            decisions.add("left out", name, reason, ("data",))
    if len(aside) > _MOST_FILES:
        decisions.add("left out", f"{len(aside) - _MOST_FILES} more files", "likewise", ("data",))


def _cases(count: int) -> str:
    return f"{count:,} case{'' if count == 1 else 's'}"


def _task(made: Material, findings: Findings, decisions: Decisions) -> dict[str, Any]:
    roles, task = made.roles, dict(made.roles.task)
    kind = task["type"] + (", several labels a row" if task.get("multi_label") else "")
    kind += ", pairs" if task.get("pair") else ""
    if roles.tagged is not None and roles.learned is None:
        shown = ", ".join(label for label, _ in findings.labels.most_common(8)) or "none"
        decisions.add("task", kind, f"{roles.tagged.reason}; types: {shown}", ("task",))
        return task
    if made.gathered.classes:
        shown = ", ".join(sorted(set(made.gathered.classes))[:8])
        decisions.add("task", kind, f"files of a class each: {shown}", ("task",))
        return task
    assert roles.learned is not None
    learned = roles.learned
    if any(one.subject == "task" for one in decisions.made):
        return task  # what else it could be was told with it
    reason = learned.how
    if learned.kind == "label" and reason.endswith(" different values"):
        reason = f"{len(findings.labels):,} labels"
    if learned.kind == "score" or (learned.kind_guessed and learned.kind == "label"):
        other = "classification" if learned.kind == "score" else "regression"
        if "whole" in learned.how:
            reason += f"; the other way round it would be `type: {other}`"
    decisions.add("task", kind, reason, ("task",), guessed=learned.kind_guessed)
    return task


def _tell_language(language: Language, decisions: Decisions) -> None:
    if language.second:
        shown = (
            f"{language.name} ({language.share:.0%}) and {_name(language.second)} "
            f"({language.second_share:.0%})"
        )
        reason = (
            "two languages in one file: one agent can learn both where its base knows both; else give "
            "each a spec of its own"
        )
        decisions.add("language", shown, reason, ("task",), guessed=True)
        return
    value = f"{language.name}, {language.script} script"
    reason = "by its letters and most frequent small words"
    if not language.code:
        reason = "its letters and small words are of none of the languages that are told apart"
    elif not language.sure:
        near = "a language near it fits nearly as well, or few words were seen"
        reason = f"{reason}; {near}"
        if language.code == "zh":
            reason = "ideographs alone: they may be Japanese, too"
    decisions.add("language", value, reason, ("task",), guessed=not language.sure)


def _name(code: str) -> str:
    from bertworks.data.inspection.language import name_of

    return name_of(code)


def _length(
    task: dict[str, Any], texts: Sequence[Sequence[str]], base: dict[str, Any], language: Language,
    decisions: Decisions,
) -> float:  # fmt: skip
    """Sets max_length by the 98th percentile; returns the share of rows that are longer."""
    tokenizer = None
    if not base:
        tokenizer = tokenizer_at_hand(Base())
    english = language.code == "en"
    found = lengths_of(texts, tokenizer if english else None, english)
    task["max_length"] = found.max_length
    how = "tokens by the base's tokenizer" if found.counted else "tokens, estimated"
    reason = f"98 % of the rows have at most {found.percentile} {how}; the longest {found.longest}"
    if found.cut > 0.025:
        reason += f"; {found.cut:.0%} are longer and are cut"
        if not task.get("pair"):
            reason += " (`long_text: windows` reads all of them, and takes longer)"
    decisions.add("max_length", str(found.max_length), reason, ("task", "max_length"))
    return found.cut


def _data(
    made: Material, plan: _Plan, findings: Findings, whole: bool, decisions: Decisions
) -> dict[str, Any]:
    data: dict[str, Any] = {}
    decisions.add("split", plan.said, plan.reason, ("data", "sources"))
    _tell_columns(made, decisions)
    sources = []
    for number, (_, source, one) in enumerate(made.kept):
        own = dict(source)
        own |= rules.labels_of(own, one, made.roles, findings, decisions, first=number == 0)
        split = plan.homes.get(number, "")
        if made.roles.split is None:
            sources.append(_with_split(own, split))
            continue
        column, values = made.roles.split
        for name in SPLITS:
            if name in values:
                held = name if name != "train" or not any(plan.shares) else ""
                filtered = {**own, "where": {**own.get("where", {}), column: values[name]}}
                sources.append(_with_split(filtered, held))
    data["sources"] = sources
    if made.clean.html:
        data["clean"] = {"html": True}
        decisions.add("clean-up", "HTML", "texts hold tags or entities such as <br /> and &amp;",
                      ("data", "clean"))  # fmt: skip
    if plan.shares != (0.1, 0.1):
        data["validation"], data["test"] = plan.shares
    if made.roles.separator and made.roles.separator != "|":
        data["label_separator"] = made.roles.separator
    data |= rules.merging(made.roles, findings, decisions)
    data |= rules.refusals([one for _, _, one in made.kept], whole, decisions)
    return data


def _with_split(source: dict[str, Any], split: str) -> dict[str, Any]:
    if not split:
        return source
    own = {**source, "split": split}
    return {**own, "keep_all": True} if split != "train" else own


def _called(made: Material, column: str) -> str:
    """A column's name; of one without a name its number."""
    named = not made.kept[0][0].shape.names
    return column if named else f"column {_place(column) + 1}"


def _tell_tag_names(tagged: Tagged, decisions: Decisions) -> None:
    """Where the names of tags that stand as numbers come from."""
    names = tagged.label_names
    reason = f"the names of the numbers in {tagged.named_by}"
    if not tagged.named_by:
        reason = (
            "tags are numbers, and no file says what they mean: entities are called by them. Write "
            "their names into the source's `label_names`, in this order"
        )
        if "B-1" in names:
            reason += "; each even number follows the odd one before it, and is read as its inside"
    decisions.add(
        "tag names", ", ".join(names[:3]) + (", …" if len(names) > 3 else ""), reason,
        ("data", "sources", 0), guessed=not tagged.named_by,
    )  # fmt: skip


def _tell_columns(made: Material, decisions: Decisions) -> None:
    roles, key = made.roles, ("data", "sources", 0)
    if roles.text is not None and (roles.learned is not None or made.gathered.classes):
        shown = " and ".join(_called(made, one) for one in roles.text.columns)
        decisions.add("text", shown, roles.text.reason, key, guessed=roles.text.guessed)
    if roles.tagged is not None and roles.learned is None:
        if roles.columns:
            decisions.add("words, tags", ", ".join(roles.tagged.columns), roles.tagged.reason, key)
        if roles.tagged.label_names:
            _tell_tag_names(roles.tagged, decisions)
    if roles.learned is not None:
        what = "score" if roles.learned.kind == "score" else roles.learned.kind
        shown = ", ".join(_called(made, one) for one in roles.learned.columns[:6])
        over = len(roles.learned.columns) - 6
        shown += f" and {over} more" if over > 0 else ""
        decisions.add(what, shown, roles.learned.reason, key, guessed=roles.learned.guessed)
    doubles = made.kept[0][0].shape.doubles
    left = [(name, f"{n} columns have this name; to read one, rename it in the file")
            for name, n in doubles.items()] + [*roles.left]  # fmt: skip
    if left:
        shown = ", ".join(name or "(no name)" for name, _ in left[:6])
        said = "; ".join(f"{name or '(no name)'}: {what}" for name, what in left[:6])
        more = f" and {len(left) - 6} more" if len(left) > 6 else ""
        decisions.add("not read", shown + more, said, key, guessed=bool(doubles))
