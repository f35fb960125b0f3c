"""Paraphrases by WordNet's files: which words give way, to what, and always in the same way."""

from benchmarks.paraphrases import PARTS, Synonyms, paraphrased

HEADER = "  1 This software and database is being provided to you\n"
INDEX = {
    "noun": "permit n 1 1 @ 1 1 00000010\nfilm n 2 0 2 2 00000020 00000030\nhouse n 1 0 1 1 00000040\n",
    # Tagged more often as a verb: that sense counts.
    "verb": "permit v 1 0 1 5 00000050\n",
    "adj": "galore a 1 0 1 0 00000060\n",
    "adv": "",
}
DATA = {
    "noun": "00000010 06 n 02 permit 0 licence 0 000 | a legal document\n"
    "00000020 06 n 02 film 0 motion_picture 0 000 | a form of entertainment\n"
    "00000040 06 n 01 house 0 000 | a dwelling\n",
    "verb": "00000050 41 v 02 permit 0 allow 0 000 | consent to\n",
    "adj": "00000060 00 a 02 galore(ip) 0 abounding 0 000 | in great numbers\n",
    "adv": "",
}


def synonyms(folder):
    for part in PARTS:
        (folder / f"index.{part}").write_text(HEADER + INDEX[part])
        (folder / f"data.{part}").write_text(HEADER + DATA[part])
    return Synonyms({one.name: one for one in folder.iterdir()})


def test_a_word_gives_way_to_what_its_most_frequent_sense_has(tmp_path):
    found = synonyms(tmp_path)
    assert found.of("Permit") == ["allow"] and found.of("film") == ["motion picture"]
    assert found.of("films") == ["motion pictures"] and found.of("galore") == ["abounding"]
    assert found.of("house") == found.of("unknown") == found.of("the") == []


def test_half_of_the_words_that_can_give_way_do_the_same_ones_each_time(tmp_path):
    found = synonyms(tmp_path)
    texts = ["Does a film permit films?", "Where is the house?"]
    first = paraphrased(texts, 1, found)
    assert first == paraphrased(texts, 1, found) and first[1] == texts[1]
    changed = sum(one in first[0] for one in ("motion picture ", "allow", "motion pictures"))
    assert changed == 2 and first[0].startswith("Does a ") and first[0].endswith("?")
