"""Small data sets as public ones are written, and what `bertworks init` must find in each."""

from __future__ import annotations

import csv
import gzip
import io
import json
import random
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ENGLISH = (
    "The food was cold and the waiter did not even say that he was sorry about it",
    "I would like to know when my new card will arrive at the address that I gave you",
    "We had a great time at the hotel, and the view from our room was just wonderful",
    "This film is not worth the money, as the story goes nowhere and the actors are bored",
    "Can you tell me how to change the password of my account, please",
    "The battery of this phone lasts for two days, which is more than I had hoped for",
    "They have moved the meeting to next week because some of the people are not there",
    "There is a problem with the order that I placed on your site a few days ago",
)
GERMAN = (
    "Das Essen war kalt und der Kellner hat sich nicht einmal dafür entschuldigt",
    "Ich möchte wissen, wann meine neue Karte bei mir an der Adresse ankommt",
    "Wir hatten eine schöne Zeit in dem Hotel, und die Aussicht war sehr gut",
    "Dieser Film ist das Geld nicht wert, weil die Geschichte zu nichts führt",
    "Können Sie mir sagen, wie ich das Passwort für mein Konto ändern kann",
    "Der Akku von diesem Telefon hält zwei Tage, das ist mehr als ich gehofft habe",
)
FRENCH = (
    "Le repas était froid et le serveur ne s'est pas excusé pour cela",
    "Je voudrais savoir quand ma nouvelle carte arrive à l'adresse que je vous ai donnée",
    "Nous avons passé un très bon moment dans cet hôtel, et la vue est belle",
    "Ce film ne vaut pas le prix, car l'histoire est longue et les acteurs sont mauvais",
)
CHINESE = (
    "这个宾馆的房间比较旧了，但是服务员的态度很好，下次还会再来",
    "这本书的内容没有什么意思，看了一半就看不下去了",
    "笔记本的键盘用起来很舒服，就是风扇的声音有一点大",
    "早餐的种类太少了，而且味道也不怎么样，不会推荐给朋友",
)
_WORDS = [
    "amber", "basil", "cedar", "delta", "ember", "fjord", "glade", "hazel", "ivory", "jolly", "karma",
    "lunar", "mango", "noble", "ocean", "pearl", "quilt", "raven", "solar", "tulip", "umber", "vivid",
]  # fmt: skip
_HAN = "春夏秋冬山水花鸟风月金木火土日星云雨雪江河湖海东南西北"


def texts(count: int, of: Sequence[str] = ENGLISH, seed: int = 1) -> list[str]:
    """Different texts of a language."""
    luck = random.Random(seed)
    made = []
    for number in range(count):
        first, second = luck.choice(of), luck.choice(of)
        if of is CHINESE:
            tail = "".join(luck.choices(_HAN, k=6))
            made.append(f"{first}，{tail}。" if number % 2 else f"{second}，{tail}。")
            continue
        tail = " ".join(luck.choices(_WORDS, k=3))
        made.append(f"{first} {tail}." if number % 2 else f"{first}. {second} {tail}.")
    return made


def labels(count: int, names: Sequence[Any], seed: int = 2) -> list[Any]:
    """As many labels, each of the names about as often."""
    luck = random.Random(seed)
    made = [names[number % len(names)] for number in range(count)]
    luck.shuffle(made)
    return made


@dataclass(frozen=True)
class Expected:
    """What must be found.

    Attributes:
        task: `task.type`, "pair" or "multi_label" beside it.
        columns: Some of the first source's columns, by role.
        language: The code, or "" where it is not asked.
        splits: The sources' splits.
        source: More of the first source's settings.
        data: More of the data section.
    """

    task: str = "classification"
    columns: dict[str, Any] = field(default_factory=dict)
    language: str = "en"
    splits: tuple[str, ...] = ("auto",)
    source: dict[str, Any] = field(default_factory=dict)
    data: dict[str, Any] = field(default_factory=dict)


Maker = Callable[[Path], Sequence[str]]
KINDS: dict[str, tuple[Maker, Expected]] = {}


def kind(expected: Expected) -> Callable[[Maker], Maker]:
    """Notes a data set under its function's name."""

    def note(maker: Maker) -> Maker:
        KINDS[maker.__name__] = maker, expected
        return maker

    return note


def as_csv(
    file: Path,
    header: Sequence[str] | None,
    *columns: Sequence[Any],
    encoding: str = "utf-8",
    **dialect: Any,
) -> str:
    """Writes a table of columns."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n", **dialect)
    if header:
        writer.writerow(header)
    writer.writerows(zip(*columns, strict=True))
    file.write_bytes(out.getvalue().encode(encoding))
    return str(file)


def as_jsonl(file: Path, **columns: Sequence[Any]) -> str:
    """Writes an object a line."""
    rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    file.write_text(
        "".join(f"{json.dumps(row, ensure_ascii=False)}\n" for row in rows), encoding="utf-8"
    )
    return str(file)


N = 120


@kind(Expected(columns={"text": "review", "label": "sentiment"}, data={"clean": {"html": True}}))
def reviews_with_html(folder: Path) -> list[str]:
    made = [f"{one}<br /><br />{one}" for one in texts(N)]
    return [
        as_csv(
            folder / "IMDB.csv", ["review", "sentiment"], made, labels(N, ["positive", "negative"])
        )
    ]


@kind(Expected(columns={"label": "airline_sentiment"}))
def tweets_of_airlines(folder: Path) -> list[str]:
    header = ["tweet_id", "airline_sentiment", "airline_sentiment_confidence", "negativereason",
              "airline", "name", "retweet_count", "text", "tweet_created", "user_timezone"]  # fmt: skip
    luck = random.Random(3)
    rows = zip(
        [570306133677760513 + 7919 * n for n in range(N)],
        labels(N, ["neutral", "positive", "negative"]),
        [round(luck.uniform(0.3, 1), 4) for _ in range(N)],
        labels(N, ["", "", "Bad Flight", "Late Flight"], 4),
        labels(N, ["United", "Delta", "Virgin America"], 5),
        [f"user{luck.randrange(10**5)}" for _ in range(N)],
        labels(N, [0, 0, 0, 1], 6),
        texts(N),
        [f"2015-02-24 11:{n % 60:02}:59 -0800" for n in range(N)],
        labels(N, ["Eastern Time (US & Canada)", "Pacific Time (US & Canada)", ""], 7),
        strict=True,
    )
    return [as_csv(folder / "Tweets.csv", header, *map(list, zip(*rows, strict=True)))]


@kind(Expected(columns={"text": "review_body", "label": "stars"}))
def stars_with_a_title(folder: Path) -> list[str]:
    return [as_jsonl(
        folder / "marc.jsonl", review_id=[f"en_{n:07}" for n in range(N)],
        product_id=[f"product_en_{n * 37 % 991:07}" for n in range(N)], stars=labels(N, [1, 2, 3, 4, 5]),
        review_body=texts(N), review_title=[" ".join(one.split()[-4:]) for one in texts(N, seed=9)],
        language=["en"] * N, product_category=labels(N, ["home", "toy", "book"], 8),
    )]  # fmt: skip


@kind(Expected("pair", {"text_a": "question1", "text_b": "question2", "label": "is_duplicate"}))
def duplicate_questions(folder: Path) -> list[str]:
    return [as_csv(
        folder / "quora.tsv", ["id", "qid1", "qid2", "question1", "question2", "is_duplicate"],
        range(N), range(1, 2 * N, 2), range(2, 2 * N + 1, 2), texts(N, seed=3), texts(N, seed=4),
        labels(N, [0, 1]), delimiter="\t",
    )]  # fmt: skip


@kind(Expected("pair", {"text_a": "sentence1", "text_b": "sentence2", "label": "gold_label"},
               source={"where": {"gold_label": ["contradiction", "entailment", "neutral"]}})
)  # fmt: skip
def inference_with_parses(folder: Path) -> list[str]:
    one, two = texts(N, seed=3), texts(N, seed=4)
    gold = labels(N, ["entailment", "neutral", "contradiction"])
    gold[7] = gold[50] = "-"
    return [as_jsonl(
        folder / "snli_1.0_train.jsonl", annotator_labels=[[g] for g in gold],
        captionID=[f"{n * 7919}.jpg#{n % 5}" for n in range(N)], gold_label=gold,
        pairID=[f"{n * 7919}.jpg#{n % 5}r1n" for n in range(N)], sentence1=one,
        sentence1_binary_parse=[f"( ( {s} ) . )" for s in one], sentence2=two,
        sentence2_binary_parse=[f"( ( {s} ) . )" for s in two],
    )]  # fmt: skip


@kind(Expected("regression pair", {"label": "score"}))
def similarity_scores(folder: Path) -> list[str]:
    luck = random.Random(5)
    one = texts(N, seed=3)
    return [as_csv(
        folder / "sts.csv", ["genre", "year", "score", "sentence1", "sentence2"],
        labels(N, ["main-news", "main-captions"]), labels(N, [2012, 2013, 2014], 6),
        [round(luck.uniform(0, 5), 2) for _ in range(N)], one, [f"{s} too" for s in one],
    )]  # fmt: skip


@kind(Expected(columns={}, source={"header": False, "names": ["label", "column_2", "text"]}))
def news_without_header(folder: Path) -> list[str]:
    titles = [" ".join(one.split()[-5:]) for one in texts(N, seed=8)]
    return [as_csv(folder / "news.csv", None, labels(N, [1, 2, 3, 4]), titles, texts(N),
                   quoting=csv.QUOTE_ALL)]  # fmt: skip


@kind(Expected(source={"names": ["label", "text"], "encoding": "cp1252"}, language="fr"))
def french_in_cp1252(folder: Path) -> list[str]:
    return [as_csv(folder / "avis.csv", None, labels(N, ["positif", "négatif"]), texts(N, FRENCH),
                   encoding="cp1252", delimiter=";")]  # fmt: skip


@kind(Expected(columns={"text": "bewertung", "label": "urteil"}, language="de",
               source={"delimiter": ";"}))  # fmt: skip
def german_with_semicolons(folder: Path) -> list[str]:
    return [as_csv(folder / "bewertungen.csv", ["nr", "bewertung", "urteil", "datum"], range(1, N + 1),
                   texts(N, GERMAN), labels(N, ["gut", "schlecht"]), ["01.02.2024"] * N,
                   delimiter=";")]  # fmt: skip


@kind(Expected(columns={"text": "内容", "label": "标签"}, language="zh"))
def chinese_columns(folder: Path) -> list[str]:
    return [as_csv(folder / "评论.csv", ["编号", "内容", "标签"], range(N), texts(N, CHINESE),
                   labels(N, ["正面", "负面"]), encoding="gb18030")]  # fmt: skip


@kind(Expected(columns={"text": "v2", "label": "v1"}))
def spam_with_empty_columns(folder: Path) -> list[str]:
    nothing = [""] * N
    return [as_csv(folder / "spam.csv", ["v1", "v2", "", "", ""], labels(N, ["ham", "ham", "spam"]),
                   texts(N), nothing, nothing, nothing)]  # fmt: skip


@kind(Expected(source={"format": "tsv", "names": ["label", "text"]}))
def no_ending_at_all(folder: Path) -> list[str]:
    file = folder / "SMSSpamCollection"
    rows = zip(labels(N, ["ham", "spam"]), texts(N), strict=True)
    file.write_text("".join(f"{a}\t{b}\n" for a, b in rows), encoding="utf-8")
    return [str(file)]


@kind(Expected(splits=("train", "validation", "test"), source={"delimiter": ";"}))
def emotions_with_semicolons_in_txt(folder: Path) -> list[str]:
    for number, (name, count) in enumerate({"train": N, "val": 30, "test": 30}.items()):
        rows = zip(texts(count, seed=number), labels(count, ["joy", "anger", "fear"]), strict=True)
        text = "".join(f"{a.lower().rstrip('.').replace(',', '')};{b}\n" for a, b in rows)
        (folder / f"{name}.txt").write_text(text, encoding="utf-8")
    return [str(folder)]


@kind(Expected(source={"pattern": r"^__label__(?P<label>\S+)\s+(?P<text>.*)$"}))
def fasttext_lines(folder: Path) -> list[str]:
    rows = zip(labels(N, ["baking", "bread", "equipment"]), texts(N), strict=True)
    (folder / "cooking.txt").write_text(
        "".join(f"__label__{a} {b}\n" for a, b in rows), encoding="utf-8"
    )
    return [str(folder / "cooking.txt")]


@kind(Expected(source={"pattern": r"^(?P<label>[A-Z]+):\S+\s+(?P<text>.*)$"}))
def questions_with_coarse_and_fine_labels(folder: Path) -> list[str]:
    names = ["NUM:dist", "NUM:date", "LOC:city", "LOC:other", "HUM:ind", "DESC:manner", "ENTY:food"]
    rows = zip(labels(N, names), texts(N), strict=True)
    (folder / "questions.label").write_text(
        "".join(f"{a} {b}\n" for a, b in rows), encoding="utf-8"
    )
    return [str(folder / "questions.label")]


@kind(Expected(source={"pattern": r"^(?P<text>.*)@(?P<label>[^@]+)$"}))
def phrases_with_a_label_behind(folder: Path) -> list[str]:
    rows = zip(texts(N), labels(N, ["positive", "neutral", "negative"]), strict=True)
    (folder / "phrases.txt").write_text("".join(f"{a}@{b}\n" for a, b in rows), encoding="latin-1")
    return [str(folder / "phrases.txt")]


@kind(Expected(source={"constants": {"label": "neg"}}, splits=("auto", "auto")))
def a_file_of_lines_a_class(folder: Path) -> list[str]:
    for number, name in enumerate(("pos", "neg")):
        (folder / f"{name}.txt").write_text("\n".join(texts(N, seed=number)), encoding="utf-8")
    return [str(folder)]


@kind(Expected(source={"constants": {"label": "neg"}}, splits=("auto", "auto")))
def the_ending_is_the_class(folder: Path) -> list[str]:
    for number, name in enumerate(("neg", "pos")):
        (folder / f"rt-polarity.{name}").write_text(
            "\n".join(texts(N, seed=number)), encoding="utf-8"
        )
    return [str(folder)]


@kind(Expected(splits=("auto", "auto", "test", "test")))
def folders_of_files_a_class(folder: Path) -> list[str]:
    for place, (split, name) in enumerate(
        (s, c) for s in ("train", "test") for c in ("neg", "pos")
    ):
        own = folder / "aclImdb" / split / name
        own.mkdir(parents=True)
        for number, text in enumerate(texts(40, seed=place)):
            (own / f"{number}_{number % 10}.txt").write_text(text, encoding="utf-8")
    (folder / "aclImdb" / "README").write_text("About these files.")
    return [str(folder / "aclImdb")]


@kind(Expected(source={"format": "document"}, splits=("auto", "auto")))
def a_document_a_file(folder: Path) -> list[str]:
    for name in ("alt.atheism", "sci.space"):
        (folder / name).mkdir()
        for number in range(30):
            lines = "\n".join(texts(5, seed=number + 100 * len(name)))
            (folder / name / str(51_000 + number)).write_text(f"Subject: {number}\n\n{lines}\n")
    return [str(folder)]


@kind(
    Expected(
        "multi_label", {"text": "comment_text", "one_hot": ["toxic", "obscene", "threat", "insult"]}
    )
)
def one_hot_columns(folder: Path) -> list[str]:
    flags = [labels(N, [0, 0, 0, 1], seed) for seed in (3, 4, 5, 6)]
    return [as_csv(folder / "toxic.csv", ["id", "comment_text", "toxic", "obscene", "threat", "insult"],
                   [f"{n * 7919:016x}" for n in range(N)], texts(N), *flags)]  # fmt: skip


@kind(Expected("multi_label", {"text": "text", "label": "labels"}))
def lists_of_labels(folder: Path) -> list[str]:
    luck = random.Random(4)
    names = ["joy", "anger", "fear", "pride"]
    return [as_jsonl(folder / "emotions.jsonl", text=texts(N),
                     labels=[luck.sample(names, luck.randint(1, 3)) for _ in range(N)],
                     id=[f"e{n * 31:05x}q" for n in range(N)])]  # fmt: skip


@kind(
    Expected("multi_label", {"text": "abstract", "label": "genres"}, data={"label_separator": ","})
)
def labels_with_commas_between(folder: Path) -> list[str]:
    luck = random.Random(4)
    names = ["drama", "comedy", "horror", "crime", "war"]
    made = [", ".join(sorted(luck.sample(names, luck.randint(1, 3)))) for _ in range(N)]
    return [as_csv(folder / "films.csv", ["title", "abstract", "genres"],
                   [f"Film {word}" for word in labels(N, _WORDS)], texts(N), made)]  # fmt: skip


@kind(Expected(columns={"text": "text", "label": "label_text"}))
def a_number_and_its_name(folder: Path) -> list[str]:
    numbers = labels(N, [0, 1, 2])
    return [as_jsonl(folder / "setfit.jsonl", text=texts(N), label=numbers,
                     label_text=[["world", "sports", "tech"][n] for n in numbers])]  # fmt: skip


@kind(Expected("tagging", {"tokens": "tokens", "tags": "ner_tags"}))
def tags_as_numbers(folder: Path) -> list[str]:
    words = [one.split() for one in texts(N)]
    tags = [[1 if n % 9 == 3 else 2 if n % 9 == 4 else 0 for n in range(len(w))] for w in words]
    pos = [[n % 7 + 3 for n in range(len(w))] for w in words]
    return [as_jsonl(folder / "ner.jsonl", id=[str(n) for n in range(N)], tokens=words, pos_tags=pos,
                     ner_tags=tags)]  # fmt: skip


@kind(Expected("tagging", {"label": "entities"}))
def marked_spans(folder: Path) -> list[str]:
    made = texts(N)
    return [as_jsonl(folder / "doccano.jsonl", id=range(N), text=made,
                     entities=[[[0, len(one.split()[0]), "PER"]] for one in made])]  # fmt: skip


@kind(Expected("tagging", splits=("train", "validation", "test")))
def conll_files(folder: Path) -> list[str]:
    for number, name in enumerate(("train", "dev", "test")):
        words = [one.split() for one in texts(40, seed=number)]
        (folder / f"{name}.txt").write_text("\n".join(
            "".join(f"{w} {'B-LOC' if n == 2 else 'O'}\n" for n, w in enumerate(one)) for one in words
        ), encoding="utf-8")  # fmt: skip
    return [str(folder)]


@kind(Expected("regression", {"text": "excerpt", "label": "target"}))
def readability(folder: Path) -> list[str]:
    luck = random.Random(4)
    return [as_csv(
        folder / "commonlit.csv", ["id", "url_legal", "license", "excerpt", "target", "standard_error"],
        [f"{n * 7919:09x}" for n in range(N)], ["https://example.org/a"] * N, labels(N, ["CC BY", ""]),
        texts(N), [round(luck.gauss(-1, 1), 6) for _ in range(N)],
        [round(luck.uniform(0.4, 0.6), 6) for _ in range(N)],
    )]  # fmt: skip


@kind(Expected("regression", {"text": "text", "label": "score"}, source={"decimal": ","}))
def scores_with_a_decimal_comma(folder: Path) -> list[str]:
    luck = random.Random(4)
    scores = [f"{luck.uniform(0, 5):.2f}".replace(".", ",") for _ in range(N)]
    return [as_csv(folder / "noten.csv", ["text", "score"], texts(N), scores, delimiter=";")]


@kind(Expected("regression", {"text": "description", "label": "points"}))
def points_of_wines(folder: Path) -> list[str]:
    return [as_csv(
        folder / "wine.csv", ["", "country", "description", "points", "price", "variety"], range(N),
        labels(N, ["US", "Italy", "France"]), texts(N), labels(N, list(range(80, 101)), 5),
        labels(N, [10, 20, 35, 60], 6), labels(N, ["Merlot", "Riesling", "Malbec"], 7),
    )]  # fmt: skip


@kind(Expected(columns={"text": "text", "label": "label"}, splits=("train", "validation", "test"),
               source={"where": {"split": ["train"]}}))  # fmt: skip
def a_column_of_splits(folder: Path) -> list[str]:
    return [as_csv(folder / "rows.csv", ["split", "text", "label"],
                   labels(N, ["train", "train", "train", "dev", "test"]), texts(N),
                   labels(N, ["yes", "no"], 5))]  # fmt: skip


@kind(Expected(columns={"text": "headline", "label": "is_sarcastic"}))
def headlines_alone(folder: Path) -> list[str]:
    return [as_jsonl(folder / "Sarcasm.json", article_link=[f"https://e.org/{n}" for n in range(N)],
                     headline=[" ".join(one.split()[-9:]) for one in texts(N)],
                     is_sarcastic=labels(N, [0, 1]))]  # fmt: skip


@kind(Expected(columns={"text": "tweet", "label": "class"}))
def votes_beside_the_class(folder: Path) -> list[str]:
    votes = [labels(N, [0, 1, 2, 3], seed) for seed in (3, 4, 5)]
    return [as_csv(folder / "hate.csv", ["", "count", "hate_speech", "offensive_language", "neither",
                                         "class", "tweet"], range(N), labels(N, [3, 6]), *votes,
                   labels(N, [0, 1, 2]), texts(N))]  # fmt: skip


@kind(Expected(columns={"text": "utterance", "label": "intent"}))
def labels_that_are_long(folder: Path) -> list[str]:
    names = ["The customer wants to know when the parcel will be delivered to the house",
             "The customer wants to return the parcel and to have the money back at once",
             "The customer is angry about the service and wants to talk to a manager"]  # fmt: skip
    return [as_csv(folder / "intents.csv", ["utterance", "intent"], texts(N), labels(N, names))]


@kind(Expected(columns={"text": "text", "label": "target"}))
def a_test_without_labels(folder: Path) -> list[str]:
    ids = range(0, 3 * N, 3)
    as_csv(folder / "train.csv", ["id", "keyword", "location", "text", "target"], ids,
           labels(N, ["fire", "flood", ""]), labels(N, ["Here", "", "There"], 9), texts(N),
           labels(N, [0, 1], 5))  # fmt: skip
    as_csv(folder / "test.csv", ["id", "keyword", "location", "text"], ids, labels(N, ["fire", ""]),
           labels(N, ["Here", ""], 9), texts(N, seed=7))  # fmt: skip
    return [str(folder)]


@kind(Expected(splits=("auto", "test"),
               source={"label_map": {"1": "World", "2": "Sports", "3": "Business"}}))  # fmt: skip
def names_of_labels_in_a_file(folder: Path) -> list[str]:
    for split, count in (("train", N), ("test", 40)):
        as_csv(folder / f"{split}.csv", None, labels(count, [1, 2, 3]), texts(count, seed=count),
               quoting=csv.QUOTE_ALL)  # fmt: skip
    (folder / "classes.txt").write_text("World\nSports\nBusiness\n")
    return [str(folder)]


@kind(Expected(columns={"text": "text", "label": "label"}, splits=("train", "validation", "test")))
def shards_of_parquet(folder: Path) -> list[str]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    features = {
        "text": {"dtype": "string"},
        "label": {"names": ["neg", "pos"], "_type": "ClassLabel"},
    }
    about = json.dumps({"info": {"features": features}})
    (folder / "data").mkdir()
    for number, name in enumerate(("train-00000-of-00002", "train-00001-of-00002",
                                   "validation-00000-of-00001", "test-00000-of-00001")):  # fmt: skip
        table = pa.table({"text": texts(60, seed=number), "label": labels(60, [0, 1], number)})
        table = table.replace_schema_metadata({"huggingface": about})
        pq.write_table(table, folder / "data" / f"{name}.parquet")
    return [str(folder)]


def save_to_disk(folder: Path, seeds: Sequence[int], rows: int = 60) -> None:
    """As Hugging Face's `datasets` writes it with this name: a stream a shard, and two JSON files."""
    import pyarrow as pa
    import pyarrow.ipc as ipc

    features = {
        "text": {"dtype": "string", "_type": "Value"},
        "label": {"names": ["neg", "pos"], "_type": "ClassLabel"},
    }
    about = json.dumps({"info": {"features": features}})
    folder.mkdir(parents=True)
    names = [f"data-{place:05d}-of-{len(seeds):05d}.arrow" for place in range(len(seeds))]
    for name, seed in zip(names, seeds, strict=True):
        table = pa.table({"text": texts(rows, seed=seed), "label": labels(rows, [0, 1], seed)})
        table = table.replace_schema_metadata({"huggingface": about})
        with ipc.new_stream(str(folder / name), table.schema) as writer:
            writer.write_table(table, max_chunksize=25)
    info = {"citation": "", "description": "", "features": features, "homepage": "", "license": ""}
    state = {"_data_files": [{"filename": name} for name in names], "_fingerprint": "76dcb07e2061d2f1",
             "_format_columns": None, "_format_type": None, "_split": None}  # fmt: skip
    (folder / "dataset_info.json").write_text(json.dumps(info, indent=2))
    (folder / "state.json").write_text(json.dumps(state, indent=2))


@kind(Expected(columns={"text": "text", "label": "label"}, splits=("train", "validation", "test")))
def a_dict_saved_to_disk(folder: Path) -> list[str]:
    for split, seeds in (("train", [1, 2]), ("validation", [3]), ("test", [4])):
        save_to_disk(folder / split, seeds)
    (folder / "dataset_dict.json").write_text('{"splits": ["train", "validation", "test"]}')
    return [str(folder)]


@kind(Expected(columns={"text": "text", "label": "label"}))
def a_set_saved_to_disk(folder: Path) -> list[str]:
    import pyarrow as pa
    import pyarrow.ipc as ipc

    save_to_disk(folder / "saved", [1, 2, 3])
    # What `map` and `filter` keep there: the rows again, and the numbers of some.
    first = folder / "saved" / "data-00000-of-00003.arrow"
    (folder / "saved" / "cache-11b5821767697c9d.arrow").write_bytes(first.read_bytes())
    kept = pa.table({"indices": pa.array([1, 3], pa.uint64())})
    for end in ("", "_00000_of_00002"):
        with ipc.new_stream(
            str(folder / "saved" / f"cache-8512722d972cc979{end}.arrow"), kept.schema
        ) as writer:
            writer.write_table(kept)
    return [str(folder / "saved")]


@kind(Expected(columns={"text": "text", "label": "label"}))
def a_feather_file(folder: Path) -> list[str]:
    import pyarrow as pa
    import pyarrow.feather as feather

    categories = pa.array(labels(N, ["a", "b"])).dictionary_encode()
    table = pa.table({"text": texts(N), "label": categories})
    feather.write_feather(table, str(folder / "rows.feather"))
    return [str(folder / "rows.feather")]


@kind(Expected(columns={"text": "text", "label": "label"}))
def a_packed_file(folder: Path) -> list[str]:
    file = as_jsonl(folder / "rows.jsonl", text=texts(N), label=labels(N, ["a", "b"]))
    packed = folder / "packed.jsonl.gz"
    packed.write_bytes(gzip.compress(Path(file).read_bytes()))
    return [str(packed)]


@kind(Expected(columns={"text": "text", "label": "label"}, splits=("auto", "test")))
def an_archive(folder: Path) -> list[str]:
    with zipfile.ZipFile(folder / "set.zip", "w") as archive:
        for name, count in (("train", N), ("test", 40)):
            file = as_jsonl(folder / "one.jsonl", text=texts(count, seed=count),
                            label=labels(count, ["a", "b"]))  # fmt: skip
            archive.write(file, f"set/{name}.jsonl")
        archive.writestr("set/README.md", "# About")
    return [str(folder / "set.zip")]


@kind(Expected(columns={"text": "text", "label": "label"}))
def columns_in_one_object(folder: Path) -> list[str]:
    made = {"text": dict(enumerate(texts(N))), "label": dict(enumerate(labels(N, ["a", "b"])))}
    (folder / "frame.json").write_text(json.dumps(made))
    return [str(folder / "frame.json")]


@kind(Expected(columns={"text": "text", "label": "label"},
               source={"label_map": {"Positive": "positive"}}))  # fmt: skip
def labels_that_look_alike(folder: Path) -> list[str]:
    made = labels(N, ["positive", "negative"])
    made = ["Positive" if one == "positive" and n % 10 == 0 else one for n, one in enumerate(made)]
    return [as_csv(folder / "rows.csv", ["text", "label"], texts(N), made)]


@kind(Expected(columns={"text": "text", "label": "category", "extra": ["channel"]}))
def a_column_for_slices(folder: Path) -> list[str]:
    header = ["ticket_id", "created_at", "channel", "text", "category"]
    ids = [f"T-{n * 37:05}" for n in range(N)]
    times = [f"2024-03-{n % 28 + 1:02}T10:00:00" for n in range(N)]
    topics = labels(N, ["billing", "login", "other"], 6)
    return [as_csv(folder / "tickets.csv", header, ids, times, labels(N, ["mail", "phone"]), texts(N),
                   topics)]  # fmt: skip


@kind(Expected("multi_label", source={"names": ["text", "label", "column_3"]},
               data={"label_separator": ","}))  # fmt: skip
def numbers_of_labels_with_commas_between(folder: Path) -> list[str]:
    luck = random.Random(4)
    made = [
        ",".join(map(str, sorted(luck.sample(range(28), 1 + (n % 6 == 0))))) for n in range(4 * N)
    ]
    return [as_csv(folder / "train.tsv", None, texts(4 * N), made, [f"e{n:05x}q" for n in range(4 * N)],
                   delimiter="\t")]  # fmt: skip


@kind(Expected(columns={"text": "text"}, splits=("auto", "auto")))
def a_table_a_class(folder: Path) -> list[str]:
    for name in ("Fake", "True"):
        as_csv(folder / f"{name}.csv", ["title", "text", "subject", "date"],
               [" ".join(one.split()[-6:]) for one in texts(N, seed=9)], texts(N, seed=ord(name[0])),
               labels(N, ["politics", "world"]), ["December 31, 2017"] * N)  # fmt: skip
    return [str(folder / "Fake.csv"), str(folder / "True.csv")]


@kind(Expected("pair", {"text_a": "sentence1", "text_b": "sentence2"}))
def pairs_of_the_same_words(folder: Path) -> list[str]:
    one = texts(N, seed=3)
    two = [" ".join([*words[6:], *words[:6]]) for words in map(str.split, one)]
    return [as_csv(folder / "paws.tsv", ["id", "sentence1", "sentence2", "label"], range(1, N + 1), one,
                   two, labels(N, [0, 1]), delimiter="\t")]  # fmt: skip


@kind(Expected(columns={"text": "body", "label": "queue", "extra": ["priority", "language"]}))
def mails_with_a_subject(folder: Path) -> list[str]:
    return [as_csv(folder / "mails.csv", ["subject", "body", "queue", "priority", "language"],
                   [" ".join(one.split()[-5:]) for one in texts(N, seed=9)], texts(N),
                   labels(N, ["billing", "technical", "sales"]), labels(N, ["low", "high"], 5),
                   labels(N, ["en", "xx"], 6))]  # fmt: skip


@kind(Expected(columns={"text": "text", "label": "topics"}, task="multi_label"))
def lists_of_labels_as_text(folder: Path) -> list[str]:
    luck = random.Random(4)
    made = [str(luck.sample(["oil", "gas", "gold", "wheat"], 1 + n % 3)) for n in range(N)]
    return [as_csv(folder / "reuters.csv", ["text", "topics"], texts(N), made)]


@kind(Expected(columns={"text": "Review Text", "label": "Rating"}))
def texts_of_many_lines(folder: Path) -> list[str]:
    made = ["\n\n".join(texts(4, seed=n)) for n in range(900)]
    return [as_csv(folder / "clothing.csv",
                   ["", "Clothing ID", "Age", "Title", "Review Text", "Rating", "Recommended IND"],
                   range(900), labels(900, range(300, 340)), labels(900, range(20, 70), 3),
                   [" ".join(one.split()[-3:]) for one in texts(900, seed=9)], made,
                   labels(900, [1, 2, 3, 4, 5], 4), labels(900, [0, 1], 5))]  # fmt: skip


@kind(Expected(columns={"text": "sentence", "label": "y"}, source={"where": None}))
def less_than_nothing_is_a_label(folder: Path) -> list[str]:
    return [as_csv(folder / "polarity.csv", ["Unnamed: 0", "sentence", "y"], range(N), texts(N),
                   labels(N, [-1, 0, 1]))]  # fmt: skip


@kind(Expected(columns={"text": "Notes", "label": "Converted"}))
def a_verdict_among_names(folder: Path) -> list[str]:
    return [as_csv(folder / "leads.csv", ["Company", "Notes", "Converted", "Owner", "Date"],
                   labels(N, ["Acme", "Foo", "Bar"]), texts(N), labels(N, ["Yes", "No"], 5),
                   labels(N, ["Ann", "Bob"], 6), ["03/04/2024"] * N)]  # fmt: skip


@kind(Expected(columns={"text": "column_4", "label": "column_3"}))
def columns_with_wide_marks_between(folder: Path) -> list[str]:
    rows = zip(range(1, N + 1), labels(N, [f"{word} (1984)" for word in _WORDS]),
               labels(N, ["drama", "comedy"], 5), texts(N), strict=True)  # fmt: skip
    (folder / "films.txt").write_text("".join(" ::: ".join(map(str, row)) + "\n" for row in rows))
    return [str(folder / "films.txt")]


@kind(Expected("pair", {"text_a": "praemisse", "text_b": "hypothese"}, language="de"))
def german_pairs(folder: Path) -> list[str]:
    return [as_csv(folder / "nli.csv", ["praemisse", "hypothese", "label"], texts(N, GERMAN),
                   texts(N, GERMAN, seed=8), labels(N, ["ja", "nein"]))]  # fmt: skip


@kind(Expected(columns={"text": "payload.body", "label": "payload.judged.label"}))
def objects_in_rows(folder: Path) -> list[str]:
    made = zip(texts(N), labels(N, ["bug", "wish", "question"]), strict=True)
    rows = [
        {"meta": {"id": number, "at": "2024-03-04"},
         "payload": {"body": text, "judged": {"label": label}}}
        for number, (text, label) in enumerate(made)
    ]  # fmt: skip
    return [
        as_jsonl(
            folder / "tickets.jsonl", **{name: [row[name] for row in rows] for name in rows[0]}
        )
    ]


@kind(Expected(columns={"text": "q", "label": "intent"}))
def rows_in_a_list_of_an_object(folder: Path) -> list[str]:
    made = zip(texts(N), labels(N, ["pay", "ask"]), strict=True)
    rows = [{"q": text, "intent": intent} for text, intent in made]
    whole = {"version": 1, "about": {"by": "us"}, "data": {"rows": rows}}
    (folder / "intents.json").write_text(json.dumps(whole, indent=1), encoding="utf-8")
    return [str(folder / "intents.json")]


@kind(Expected(columns={"text": "review", "label": "verdict"}))
def rows_by_their_names(folder: Path) -> list[str]:
    made = zip(texts(N), labels(N, ["good", "bad"]), strict=True)
    rows = {f"r{n:03}": {"review": text, "verdict": label} for n, (text, label) in enumerate(made)}
    (folder / "reviews.json").write_text(json.dumps(rows), encoding="utf-8")
    return [str(folder / "reviews.json")]


def _class_folders(few: int) -> dict[str, str]:
    """Path to text of folders of classes, with a number for a file's name and few files to test."""
    return {
        f"set/{split}/{name}/{number}.txt": f"{text}\n\nAnd more of it in another line."
        for split, count in (("train", 40), ("test", few))
        for place, name in enumerate(("rec.autos", "sci.space"))
        for number, text in enumerate(texts(count, seed=count + place))
    }


@kind(Expected(splits=("auto", "auto", "test", "test"), source={"format": "document"}))
def few_texts_a_class_to_test(folder: Path) -> list[str]:
    for name, text in _class_folders(few=3).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return [str(folder / "set")]


@kind(Expected(splits=("auto", "auto", "test", "test"), source={"format": "document"}))
def folders_of_classes_in_an_archive(folder: Path) -> list[str]:
    with zipfile.ZipFile(folder / "set.zip", "w") as archive:
        for name, text in _class_folders(few=12).items():
            archive.writestr(name, text)
        archive.writestr("set/README.md", "# About")
    return [str(folder / "set.zip")]


@kind(Expected(splits=("auto",) * 4, source={"constants": {"label": "negative"}}))
def classes_in_several_folders(folder: Path) -> list[str]:
    for number, (domain, name) in enumerate(
        (d, c) for d in ("books", "dvd") for c in ("negative", "positive")
    ):
        (folder / domain).mkdir(exist_ok=True)
        (folder / domain / f"{name}.txt").write_text("\n".join(texts(60, seed=number)))
    return [str(folder)]


@kind(Expected("tagging", {"tokens": "tokens", "tags": "ner_tags"}, source={"label_names": None}))
def tags_that_the_file_names(folder: Path) -> list[str]:
    words = [text.split() for text in texts(N)]
    tags = [[1 if place == 3 else 2 if place == 4 else 0 for place in range(len(w))] for w in words]
    names = {"names": ["O", "B-PER", "I-PER"], "_type": "ClassLabel"}
    info = {"info": {"features": {"ner_tags": {"feature": names, "_type": "Sequence"}}}}
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.table({"tokens": words, "ner_tags": tags})
    table = table.replace_schema_metadata({b"huggingface": json.dumps(info).encode()})
    pq.write_table(table, folder / "train-00000-of-00001.parquet")
    return [str(folder)]
