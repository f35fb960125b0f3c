"""Small tokenizers of the other families, as transformers builds them."""

import functools
import io
import string

TEXTS = [
    "the film runs and runs, and the story is good",
    "A warm, clever film; the plot's thin!",
    "日本の映画はとても良い 上海的电影很好看",
    "straße naïve Ärger Жизнь прекрасна ﬁxes 한국어 हिन्दी",
    string.ascii_letters + string.digits + string.punctuation,
]
KINDS = ("bytes", "bytes-spaced", "unigram", "unigram-e5", "mpnet")


def made(kind, **options):
    """transformers' tokenizer: RoBERTa's, the same with add_prefix_space, XLM-R's, or MPNet's."""
    import transformers

    if kind.startswith("bytes"):
        spaced = options.pop("add_prefix_space", kind == "bytes-spaced")
        vocabulary, merges = _bytes()
        return transformers.RobertaTokenizer(
            vocab=vocabulary, merges=merges, add_prefix_space=spaced, **options
        )
    if kind == "unigram":
        pieces, charsmap = _unigram()
        return transformers.XLMRobertaTokenizer(vocab=pieces, _spm_precompiled_charsmap=charsmap)
    if kind == "unigram-e5":
        return transformers.PreTrainedTokenizerFast(
            tokenizer_object=_e5(), bos_token="<s>", eos_token="</s>", unk_token="<unk>",
            pad_token="<pad>", cls_token="<s>", sep_token="</s>", mask_token="<mask>",
            model_input_names=["input_ids", "attention_mask"],
        )  # fmt: skip
    return transformers.MPNetTokenizer(vocab=_mpnet(), do_lower_case=True)


def written(kind, folder):
    """Writes its tokenizer.json; returns transformers' tokenizer."""
    tokenizer = made(kind)
    tokenizer.backend_tokenizer.save(str(folder / "tokenizer.json"))
    return tokenizer


@functools.cache
def _bytes():
    """All bytes, and some words; marks as RoBERTa numbers them."""
    from bertworks.text.beginnings import BYTES

    merges = [("t", "h"), ("th", "e"), ("Ġ", "the"), ("r", "u"), ("ru", "n"), ("run", "s"),
              ("Ġ", "run"), ("Ġrun", "s"), ("f", "i"), ("fi", "lm"), ("l", "m"), ("Ġ", "film"),
              ("æ", "Ĺ"), ("æĹ", "¥"), ("Ġ", "Ġ"), ("Ċ", "Ċ"), ("'", "s")]  # fmt: skip
    entries = ["<s>", "<pad>", "</s>", "<unk>", *BYTES, *map("".join, merges), "<mask>"]
    vocabulary = {entry: place for place, entry in enumerate(dict.fromkeys(entries))}
    return vocabulary, merges


def _e5():
    """The same pieces as multilingual-e5's tokenizer.json uses them: spaces count, a mark takes one."""
    import tokenizers

    xlm = made("unigram").backend_tokenizer
    backend = tokenizers.Tokenizer.from_str(xlm.to_str())
    runs = tokenizers.normalizers.Replace(tokenizers.Regex(" {2,}"), " ")
    backend.normalizer = tokenizers.normalizers.Sequence([xlm.normalizer, runs])
    backend.pre_tokenizer = tokenizers.pre_tokenizers.Metaspace()
    mark = tokenizers.AddedToken("<mask>", lstrip=True, normalized=False, special=True)
    backend.add_special_tokens([mark])
    return backend


def sentencepiece_model(**options):
    """The bytes of a small model as SentencePiece trains it; with nmt_nfkc for clean-up."""
    import sentencepiece

    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(TEXTS * 20),
        model_writer=model,
        vocab_size=400,
        hard_vocab_limit=False,
        num_threads=1,
        minloglevel=2,
        **{"model_type": "unigram", **options},
    )
    return model.getvalue()


@functools.cache
def _unigram():
    """Pieces with scores, and SentencePiece's clean-up."""
    import sentencepiece

    model = sentencepiece_model()
    read = sentencepiece.SentencePieceProcessor(model_proto=model)
    own = [(read.id_to_piece(one), read.get_score(one)) for one in range(3, len(read))]
    marks = [(mark, 0.0) for mark in ("<s>", "<pad>", "</s>", "<unk>")]
    (normalizer,) = _fields(model, 3)
    (charsmap,) = _fields(normalizer, 2)
    return [*marks, *own, ("<mask>", 0.0)], charsmap


def _fields(message, wanted):
    """The bytes of a protocol buffer's fields of a number, of those that have a length."""
    at, found = 0, []

    def number():
        nonlocal at
        value = shift = 0
        while True:
            byte = message[at]
            at += 1
            value |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return value

    while at < len(message):
        field, kind = divmod(number(), 8)
        size = {1: 8, 5: 4}.get(kind) or number()
        if kind != 0:
            found += [message[at : at + size]] if kind == 2 and field == wanted else []
            at += size
    return found


@functools.cache
def _mpnet():
    """BERT's entries with BERT's marks among them, behind the four that count."""
    words = ["the", "run", "##s", "film", "##un", "日", "é", "good"]
    letters = string.ascii_lowercase + string.digits + string.punctuation
    inside = [f"##{letter}" for letter in string.ascii_lowercase + string.digits]
    entries = ["<s>", "<pad>", "</s>", "<unk>", "[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    entries = [*entries, *letters, *inside, *words, "<mask>"]
    return {entry: place for place, entry in enumerate(dict.fromkeys(entries))}
