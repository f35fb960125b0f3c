"""Training a WordPiece vocabulary (Devlin et al., "BERT", 2018, section 3).

The trainer of `tokenizers` gives another vocabulary every time it is run, because the characters
inside words get their ids in the order of a hash table, and ids break ties between merges. Here the
words are counted first, and the trainer is told the alphabet in a fixed order, so that equal text
gives an equal vocabulary.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

import tokenizers
from tokenizers import decoders, models, normalizers, pre_tokenizers, processors, trainers

from bertworks.errors import DataError
from bertworks.text.marks import MARKS

CONTINUES = "##"
ALPHABET_SHARE = (
    0.75  # of the vocabulary, at most: the rest is left to pieces of several characters
)
MAX_WORD = 100  # characters; the tokenizer takes longer words for unknown
MIN_FREQUENCY = 2


def train(texts: Iterable[str], vocab_size: int, lowercase: bool) -> tokenizers.Tokenizer:
    """Trains a BERT tokenizer.

    Args:
        texts: Read once; memory grows with the number of different words only.
        vocab_size: Entries at most; short texts give fewer.
        lowercase: Lower-case, and strip accents.

    Returns:
        A tokenizer with the marks [PAD] 0, [UNK] 1, [CLS] 2, [SEP] 3, [MASK] 4, a Chinese character
        being a word of its own.

    Raises:
        DataError: There is no text to train on.
    """
    normalizer = normalizers.BertNormalizer(lowercase=lowercase, handle_chinese_chars=True)
    words = count_words(texts, normalizer)
    if not words:
        raise DataError(
            "A vocabulary cannot be trained: the corpus and the training rows hold no text.",
            "Give corpus.sources, or a base with a vocabulary of its own.",
        )
    alphabet = _alphabet(words, int((vocab_size - len(MARKS)) * ALPHABET_SHARE))
    vocabulary = _train_pieces(words, alphabet, vocab_size)
    return _assemble(vocabulary, normalizer)


def count_words(texts: Iterable[str], normalizer: normalizers.BertNormalizer) -> Counter[str]:
    """How often each word stands in the texts, after clean-up, split as BERT splits."""
    splitter = pre_tokenizers.BertPreTokenizer()
    words: Counter[str] = Counter()
    for text in texts:
        clean = normalizer.normalize_str(text)
        words.update(word for word, _ in splitter.pre_tokenize_str(clean))
    return Counter({word: count for word, count in words.items() if len(word) <= MAX_WORD})


def _alphabet(words: Counter[str], limit: int) -> list[str]:
    """The most frequent characters: as they begin a word, then as they stand inside one.

    The trainer passes over a character inside a word unless it also knows it as a beginning.
    """
    counts: Counter[str] = Counter()
    inside: set[str] = set()
    for word, count in words.items():
        inside.update(word[1:])
        for character in word:
            counts[character] += count
    kept: set[str] = set()
    for character, _ in sorted(counts.items(), key=lambda item: (-item[1], item[0])):
        forms = {character, CONTINUES + character} if character in inside else {character}
        if len(kept) + len(forms) > limit:
            break
        kept |= forms
    return sorted(kept, key=lambda form: (len(form) > 1, form))


def _train_pieces(words: Counter[str], alphabet: list[str], vocab_size: int) -> dict[str, int]:
    trainer = trainers.WordPieceTrainer(
        vocab_size=vocab_size,
        min_frequency=MIN_FREQUENCY,
        # Given as marks, the characters get their ids in this order.
        special_tokens=[*MARKS, *alphabet],
        limit_alphabet=0,
        continuing_subword_prefix=CONTINUES,
        show_progress=False,
    )
    backend = tokenizers.Tokenizer(models.WordPiece(unk_token="[UNK]"))
    backend.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    backend.train_from_iterator(_repeated(words, set(alphabet)), trainer)
    return backend.get_vocab(with_added_tokens=True)


def _repeated(words: Counter[str], alphabet: set[str], block: int = 10_000) -> Iterator[str]:
    """Each word as often as it was counted, without words that use a character outside."""
    for word, count in sorted(words.items()):
        rest = {CONTINUES + character for character in word[1:]}
        if word[0] in alphabet and rest <= alphabet:
            for start in range(0, count, block):
                yield " ".join([word] * min(block, count - start))


def _assemble(
    vocabulary: dict[str, int], normalizer: normalizers.BertNormalizer
) -> tokenizers.Tokenizer:
    """A BERT tokenizer over a vocabulary, as transformers builds it."""
    backend = tokenizers.Tokenizer(
        models.WordPiece(vocabulary, unk_token="[UNK]", max_input_chars_per_word=MAX_WORD)
    )
    backend.normalizer = normalizer
    backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    backend.decoder = decoders.WordPiece(prefix=CONTINUES)
    backend.post_processor = processors.TemplateProcessing(
        single="[CLS]:0 $A:0 [SEP]:0",
        pair="[CLS]:0 $A:0 [SEP]:0 $B:1 [SEP]:1",
        special_tokens=[(mark, vocabulary[mark]) for mark in ("[CLS]", "[SEP]")],
    )
    backend.add_special_tokens(list(MARKS))
    return backend
