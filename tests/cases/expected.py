"""What is right for each case, as a rule over what the steps gave."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from bertworks.errors import BertworksError


@dataclass
class Outcome:
    """What came of a case.

    Attributes:
        error: What stopped it.
        info: info.json of the examples.
        rows: All examples.
        notices: Texts of the steps' notices.
        rejected: The refused rows.
        answers: What `bertworks predict` answered, where an agent was trained or asked.
        metrics: Metrics of the bundle, by name.
        lowercase: Whether the base's tokenizer lower-cases.
    """

    error: BertworksError | None = None
    info: dict[str, Any] = field(default_factory=dict)
    rows: list[dict[str, Any]] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)
    rejected: list[dict[str, Any]] = field(default_factory=list)
    answers: list[dict[str, Any]] = field(default_factory=list)
    metrics: dict[str, float] = field(default_factory=dict)
    lowercase: bool | None = None

    def told(self) -> str:
        """What the user is told, in a few lines."""
        if self.error is not None:
            return str(self.error)[:600]
        parts = [f"{self.info.get('read', 0)} read, {len(self.rows)} kept"]
        parts += [f"labels: {', '.join(self.info.get('labels', [])[:8])}"]
        if self.answers:
            parts.append(f"{len(self.answers)} answers")
        if self.metrics:
            parts.append(", ".join(f"{name} {value:.3f}" for name, value in self.metrics.items()))
        return "\n".join([*parts, *(f"- {text[:200]}" for text in self.notices)])

    def says(self, *words: str) -> bool:
        """Whether the error, or a notice, holds all of these words."""
        texts = self.notices if self.error is None else [str(self.error)]
        return any(all(word in text for word in words) for text in texts)

    def labels(self) -> list[str]:
        """The labels of the examples."""
        assert self.error is None, self.error
        found: list[str] = self.info["labels"]
        return found

    def texts(self) -> list[str]:
        """The texts of the examples."""
        assert self.error is None, self.error
        return [row["text"] for row in self.rows]


@dataclass(frozen=True)
class Expected:
    """A rule, whether it needs a trained agent, and whether that is asked alone and in company."""

    check: Callable[[Outcome], bool]
    trains: bool = False
    in_company: bool = False


def _kept(count: int) -> Callable[[Outcome], bool]:
    return lambda seen: seen.info.get("read") == count and not seen.rejected


def _stops(*words: str) -> Callable[[Outcome], bool]:
    return lambda seen: seen.error is not None and bool(seen.error.fix) and seen.says(*words)


def _labels(*names: str) -> Callable[[Outcome], bool]:
    return lambda seen: seen.labels() == sorted(names)


EXPECTED: dict[str, Expected] = {
    "backslash-escape": Expected(
        lambda seen: (
            any('"near"' in text for text in seen.texts())
            and not any("\\" in text for text in seen.texts())
        )
    ),
    "base-bom-config": Expected(lambda seen: seen.error is None and seen.lowercase is False),
    "base-cased-vocab": Expected(lambda seen: seen.error is None and seen.lowercase is False),
    "base-positions": Expected(_stops("128", "64"), trains=True),
    "clean-skew": Expected(
        lambda seen: _right(seen) > 0.95 and seen.metrics["accuracy"] > 0.95, trains=True
    ),
    "conflicts": Expected(lambda seen: seen.says("different labels", "conflicting_labels")),
    "conll-comments": Expected(lambda seen: len(seen.rows) == 200 and seen.says("comment")),
    "conll-noblank": Expected(_stops("no blank line")),
    "cp1252": Expected(_stops("encoding: cp1252")),
    "doccano": Expected(lambda seen: "B-PER" in seen.labels() and len(seen.rows) == 200),
    "dup-columns-parquet2": Expected(_stops("2 columns 'text'")),
    "excel-sep": Expected(_kept(200)),
    "glob-brackets-star": Expected(_kept(200)),
    "gz-no-ending": Expected(_stops("gzip", ".gz")),
    "int8-batch": Expected(
        lambda seen: (
            seen.labels() == ["onnxruntime-int8"] and len(seen.answers) == 827 and _alike(seen)
        ),
        trains=True,
        in_company=True,
    ),
    "json-array": Expected(_kept(200)),
    "label-case": Expected(lambda seen: seen.says("3 labels are nearly the same", "Spam")),
    "label-float-csv": Expected(_labels("0", "1")),
    "label-map-float": Expected(_labels("neg", "pos")),
    "label-nan-many": Expected(_stops("no label")),
    "label-nfd": Expected(_labels("bar", "café")),
    "ml-nan": Expected(lambda seen: "nan" not in seen.labels() and seen.says("no label")),
    "ml-onehot": Expected(_stops("one_hot: [toxic, insult, threat]")),
    "ml-pylist": Expected(_labels("a", "b", "c")),
    "ml-vector": Expected(_stops("vector of 0 and 1", "label_names")),
    "ner-int-tags": Expected(lambda seen: "B-PER" in seen.labels() and len(seen.rows) == 200),
    "ner-long": Expected(
        lambda seen: seen.says("more than 32 tokens", "read in windows"), trains=True
    ),
    "ner-zw-token": Expected(
        lambda seen: (
            seen.says("words show nothing")
            and all("\u200b" not in row["tokens"] for row in seen.rows)
            and any(row["tags"][3:5] == ["B-PER", "I-PER"] for row in seen.rows)
        )
    ),
    "predict-quotes": Expected(lambda seen: len(seen.answers) == 5),
    "quote-odd": Expected(lambda seen: _kept(200)(seen) and seen.says("quote", "line 52")),
    "quote-odd-last": Expected(lambda seen: _kept(200)(seen) and seen.says("quote", "line 22")),
    "reg-repeat": Expected(lambda seen: seen.says("the mean of its scores")),
    "reg-underscore": Expected(_stops("label is not a number")),
    "zip": Expected(_stops("data.zip!/data.csv")),
    "zw-text": Expected(lambda seen: seen.says("column 'text' is empty")),
}


def _right(seen: Outcome) -> float:
    """Share of the answers to the raw rows that are their labels."""
    return sum(one["label"] == one["truth"] for one in seen.answers) / len(seen.answers)


def _alike(seen: Outcome) -> bool:
    """Whether every text has one answer, whatever it is asked beside."""
    return all(
        answer["label"] == one["alone"]["label"]
        and abs(answer["score"] - one["alone"]["score"]) < 1e-5
        for one in seen.answers
        for answer in one.values()
    )
