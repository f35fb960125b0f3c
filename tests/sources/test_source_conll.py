"""CoNLL sentences, and tag schemes turned into IOB2."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bertworks.data.formats.conll import Sentences, to_iob2

ENTITIES = st.lists(
    st.tuples(st.sampled_from(["", "PER", "LOC", "B-X"]), st.integers(1, 4)), max_size=8
)


def spans(tags: list[str]) -> list[tuple[str, int, int]]:
    """(type, begin, end) of the entities of IOB2 tags; strict: "inside" must follow its own type."""
    found: list[tuple[str, int, int]] = []
    for place, tag in enumerate(tags):
        if tag.startswith("B-"):
            found.append((tag[2:], place, place + 1))
        elif tag.startswith("I-"):
            kind, begin, end = found.pop()
            assert (kind, end) == (tag[2:], place)
            found.append((kind, begin, place + 1))
    return found


def write(
    entities: list[tuple[str, int]], scheme: str
) -> tuple[list[str], list[tuple[str, int, int]]]:
    """Tags of consecutive stretches in a scheme, and the spans that they stand for."""
    marks = {"BIOES": "BIES", "BMES": "BMES", "BILOU": "BILU", "IOB2": "BIIB"}
    tags: list[str] = []
    truth: list[tuple[str, int, int]] = []
    before = ""
    for kind, length in entities:
        if not kind:
            tags += ["O"] * length
        else:
            truth.append((kind, len(tags), len(tags) + length))
            if scheme == "IOB1":
                first = "B" if before == kind else "I"
                tags += [f"{first}-{kind}"] + [f"I-{kind}"] * (length - 1)
            else:
                begin, inside, end, single = marks[scheme]
                one = [single] if length == 1 else [begin, *[inside] * (length - 2), end]
                tags += [f"{mark}-{kind}" for mark in one]
        before = kind
    return tags, truth


@pytest.mark.parametrize("scheme", ["IOB1", "IOB2", "BIOES", "BMES", "BILOU"])
@settings(deadline=None)
@given(entities=ENTITIES)
def test_every_scheme_becomes_the_same_spans_in_iob2(scheme, entities):
    tags, truth = write(entities, scheme)
    assert spans(to_iob2(tags)) == truth


@settings(deadline=None)
@given(entities=ENTITIES)
def test_iob2_stays_as_it_is(entities):
    tags, _ = write(entities, "IOB2")
    assert to_iob2(tags) == tags


@pytest.mark.parametrize("tag", ["NN", "B", "B-", "X-PER", "", "O-PER", "b-PER"])
def test_other_tags_are_refused(tag):
    with pytest.raises(ValueError, match=f"^{tag}$"):
        to_iob2(["O", tag])


def sentences(text: str, token: int = 0, tag: int = -1) -> list:
    lines = enumerate(text.splitlines(keepends=True), start=1)
    return list(Sentences(lines, token, tag))


def test_sentences_are_parted_by_blank_lines_and_docstart_is_skipped():
    text = "-DOCSTART- -X- O O\n\nEU NNP B-NP B-ORG\nis V B O\r\n\n\nOne CD I O"
    assert sentences(text) == [
        (3, ["EU", "is"], ["B-ORG", "O"], None),
        (7, ["One"], ["O"], None),
    ]


def test_a_broken_line_costs_its_sentence_and_is_named():
    found = sentences("a O\nb O\n\nc O\nd\ne O\n\nf O\n")
    assert [item[1] for item in found] == [["a", "b"], [], ["f"]]
    assert found[1][0] == 5
    assert found[1][3] == ("broken conll line: 2 columns expected, 1 found", "d")


def test_a_first_word_without_its_tag_costs_its_own_sentence_only():
    found = sentences("lonely\na O\n\nb O\nc O\n")
    assert [item[1] for item in found] == [[], ["b", "c"]]
    assert found[0][3] == ("broken conll line: 2 columns expected, 1 found", "lonely")


def test_columns_parted_by_tabs_keep_spaces_and_unicode_spaces_are_no_gap():
    assert sentences("New York\tB-LOC\n")[0][1] == ["New York"]
    assert sentences("10\u00a0000 O\n")[0][1] == ["10\u00a0000"]


def test_a_token_column_out_of_range_breaks_the_line():
    assert sentences("a O\n", token=4)[0][3] is not None
    assert sentences("x 1 a B-PER\n", token=2)[0][1:3] == (["a"], ["B-PER"])
