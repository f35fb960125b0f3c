"""The marks of a tokenizer, and where it puts them around one text and between two.

BERT and what follows it write `[CLS] first [SEP] second [SEP]`, the second text with token type 1;
RoBERTa, XLM-R and MPNet write `<s> first </s></s> second </s>`, all with type 0. Both are told by what
the tokenizer does with two letters, not by the name of its model: multilingual-e5 is a BERT with the
tokenizer of XLM-R.
"""

from __future__ import annotations

from typing import NamedTuple

import tokenizers

from bertworks.errors import ArtifactError

NAMES = {
    "pad": ("[PAD]", "<pad>"),
    "unk": ("[UNK]", "<unk>"),
    "cls": ("[CLS]", "<s>"),
    "sep": ("[SEP]", "</s>"),
    "mask": ("[MASK]", "<mask>"),
}
"""What a mark is for, to its name in BERT's family and in RoBERTa's."""
MARKS = tuple(bert for bert, _ in NAMES.values())


class Special(NamedTuple):
    """Ids of the five marks."""

    pad: int
    unk: int
    cls: int
    sep: int
    mask: int


class Template(NamedTuple):
    """How two texts are put together.

    Attributes:
        seps: How often the separator stands between them: 1 or 2.
        second_type: The token type of the second text and its separator: 1 or 0.
    """

    seps: int
    second_type: int

    @property
    def marks(self) -> int:
        """Marks of a pair, all together."""
        return 2 + self.seps


TEMPLATES = (Template(1, 1), Template(2, 0), Template(1, 0), Template(2, 1))


def special_of(backend: tokenizers.Tokenizer, name: str) -> Special:
    """The ids of the five marks.

    A vocabulary may hold both families' names (MPNet's holds BERT's words and their marks): those
    count that are added tokens, which are looked for in a text before it is split.

    Args:
        backend: The tokenizer.
        name: Where it came from, for error messages.

    Raises:
        ArtifactError: One is missing.
    """
    added = {token.content for token in backend.get_added_tokens_decoder().values()}
    ids: dict[str, int] = {}
    missing: list[tuple[str, str]] = []
    for role, names in NAMES.items():
        told = getattr(backend.model, "unk_token", None) if role == "unk" else None
        candidates = (*([told] if told else []), *names)
        known = {
            one: found for one in candidates if (found := backend.token_to_id(one)) is not None
        }
        if not known:
            missing.append(names)
            continue
        ids[role] = known[next((one for one in known if one in added), next(iter(known)))]
    if missing:
        berts, others = (", ".join(side) for side in zip(*missing, strict=True))
        raise ArtifactError(
            f"{name} lacks the marks {berts} (or {others}).",
            "Use a tokenizer with [CLS] and [SEP] around the text, as BERT's, or <s> and </s>, as "
            "RoBERTa's.",
        )
    return Special(**ids)


def template_of(backend: tokenizers.Tokenizer, special: Special, name: str) -> Template:
    """Where the marks stand, by what becomes of two letters.

    Raises:
        ArtifactError: Neither where BERT puts them nor where RoBERTa does.
    """
    first, second = (backend.encode(text, add_special_tokens=False).ids for text in ("a", "b"))
    single, pair = backend.encode("a"), backend.encode("a", "b")
    for template in TEMPLATES:
        if (
            (single.ids, single.type_ids) == around(special, template, first, None)
            and (pair.ids, pair.type_ids) == around(special, template, first, second)
        ):  # fmt: skip
            return template
    raise ArtifactError(
        f"{name} does not put its marks as BERT does: [CLS] first [SEP] second [SEP], nor as RoBERTa: "
        "<s> first </s></s> second </s>.",
        "Use a tokenizer with [CLS] and [SEP] around each text, or with <s> and </s>.",
    )


def around(
    special: Special, template: Template, first: list[int], second: list[int] | None
) -> tuple[list[int], list[int]]:
    """Ids and token types of one or two texts with the marks around them."""
    ids = [special.cls, *first, special.sep]
    types = [0] * len(ids)
    if second is None:
        return ids, types
    between = [special.sep] * (template.seps - 1)
    after = [*second, special.sep]
    types += [0] * len(between) + [template.second_type] * len(after)
    return [*ids, *between, *after], types
