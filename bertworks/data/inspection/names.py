"""What public data sets call their columns: how much a name speaks for what the column is used for.

Names come second: what a column holds decides first (`columns`), and a name among what is left.
"""

from __future__ import annotations

import re

_PART = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+|[A-Z]+|\d+|[^\W\d_a-zA-Z]+")

TEXT = {
    "text": 1.0, "texts": 1.0, "sentence": 0.95, "review": 0.95, "content": 0.9, "body": 0.9,
    "utterance": 0.95, "comment": 0.9, "tweet": 0.9, "message": 0.9, "sms": 0.9, "document": 0.9,
    "doc": 0.8, "description": 0.8, "post": 0.85, "abstract": 0.8, "article": 0.8, "passage": 0.8,
    "query": 0.85, "question": 0.85, "email": 0.7, "mail": 0.7, "phrase": 0.85, "statement": 0.85,
    "essay": 0.9, "excerpt": 0.9, "narrative": 0.85, "complaint": 0.8, "feedback": 0.8, "input": 0.8,
    "instruction": 0.7, "prompt": 0.7, "headline": 0.6, "title": 0.4, "summary": 0.4, "string": 0.5,
    "data": 0.4, "paragraph": 0.85, "premise": 0.7, "context": 0.5, "transcript": 0.85, "news": 0.7,
    "bewertung": 0.9, "satz": 0.9, "kommentar": 0.9, "nachricht": 0.9, "frage": 0.8, "inhalt": 0.8,
    "beschreibung": 0.8, "anfrage": 0.85, "rezension": 0.9, "avis": 0.8, "texte": 1.0,
    "commentaire": 0.9, "phrase_fr": 0.8, "critique": 0.8, "texto": 1.0, "opinion": 0.8,
    "comentario": 0.9, "reseña": 0.9, "frase": 0.9, "testo": 1.0, "recensione": 0.9,
    "commento": 0.9, "tekst": 1.0, "zin": 0.9, "текст": 1.0, "отзыв": 0.9, "комментарий": 0.9,
    "сообщение": 0.9, "文本": 1.0, "内容": 0.9, "內容": 0.9, "评论": 0.9, "評論": 0.9, "句子": 0.95,
    "正文": 0.9, "问题": 0.7, "テキスト": 1.0, "本文": 0.9, "レビュー": 0.9, "문장": 1.0, "리뷰": 0.9,
}  # fmt: skip
LABEL = {
    "label": 1.0, "labels": 1.0, "target": 0.95, "class": 0.95, "classes": 0.9, "intent": 0.95,
    "intents": 0.95, "sentiment": 0.95, "category": 0.9, "categories": 0.9, "topic": 0.9,
    "topics": 0.85, "polarity": 0.9, "emotion": 0.9, "emotions": 0.9, "y": 0.9, "stars": 0.85,
    "star": 0.8, "rating": 0.85, "overall": 0.8, "score": 0.85, "verdict": 0.9, "stance": 0.9,
    "gold": 0.8, "spam": 0.85, "toxic": 0.8, "duplicate": 0.85, "similarity": 0.9, "tag": 0.8,
    "tags": 0.75, "hashtags": 0.75, "hashtag": 0.7, "genre": 0.7, "genres": 0.75, "type": 0.6,
    "output": 0.6, "annotation": 0.7,
    "answer": 0.5, "entailment": 0.8, "relatedness": 0.85, "judgment": 0.8, "judgement": 0.8,
    "department": 0.5, "queue": 0.5, "product": 0.4, "subject": 0.4, "status": 0.4, "priority": 0.4,
    "toxicity": 0.85, "grade": 0.8, "quality": 0.7, "points": 0.8, "valence": 0.8, "cat": 0.6,
    "nps": 0.9, "csat": 0.9, "likely": 0.8, "satisfied": 0.8, "satisfaction": 0.85,
    "domain": 0.5, "skill": 0.5, "mood": 0.7, "is": 0.7, "fits": 0.7, "valid": 0.5, "result": 0.6,
    "klasse": 0.95, "kategorie": 0.9, "urteil": 0.9, "stimmung": 0.9, "thema": 0.9, "note": 0.7,
    "sterne": 0.85, "classe": 0.95, "catégorie": 0.9, "categorie": 0.9, "étiquette": 1.0,
    "etiquette": 1.0, "sujet": 0.6, "etiqueta": 1.0, "clase": 0.95, "categoría": 0.9,
    "categoria": 0.9, "puntuación": 0.8, "puntuacion": 0.8, "sentimiento": 0.95, "etichetta": 1.0,
    "punteggio": 0.8, "voto": 0.8, "метка": 1.0, "класс": 0.95, "категория": 0.9, "оценка": 0.8,
    "тональность": 0.9, "标签": 1.0, "標籤": 1.0, "类别": 0.95, "類別": 0.95, "情感": 0.9,
    "分类": 0.9, "评分": 0.85, "意图": 0.95, "ラベル": 1.0, "カテゴリ": 0.9, "레이블": 1.0,
    "라벨": 1.0, "감정": 0.9,
}  # fmt: skip
SCORE = frozenset((
    "score", "scores", "similarity", "relatedness", "grade", "points", "intensity", "valence",
    "arousal", "quality", "toxicity", "readability", "difficulty", "complexity", "mos", "punteggio",
    "puntuación", "puntuacion", "punkte", "分数", "nps", "csat", "likely", "likelihood",
))  # fmt: skip
"""Names of numbers that are measures."""
RATING = frozenset((
    "rating", "ratings", "stars", "star", "overall", "rate", "note", "sterne", "voto", "评分", "оценка",
))  # fmt: skip
"""Names of numbers that people give."""
TITLE = frozenset((
    "title", "headline", "subject", "summary", "heading", "caption", "titel", "titre", "titulo",
    "título", "titolo", "betreff", "标题", "標題", "题目", "заголовок", "theme",
))  # fmt: skip
SPLIT = frozenset(
    ("split", "splits", "set", "subset", "partition", "fold", "usage", "splitset", "tvt")
)
_NOT_LEARNED = frozenset((
    "id", "ids", "idx", "index", "uid", "uuid", "guid", "key", "count", "counts", "num", "number",
    "length", "len", "size", "year", "month", "day", "hour", "date", "time", "timestamp", "created",
    "updated", "age", "gender", "country", "state", "city", "location", "place", "region", "lang",
    "language", "locale", "source", "user", "username", "author", "name", "annotator", "worker",
    "rater", "version", "fold", "split", "url", "link", "confidence", "prob", "probability", "likes",
    "retweets", "retweet", "votes", "vote", "helpful", "timezone", "device", "platform", "price",
    "airline", "brand", "store", "start", "end", "offset", "position", "file", "filename", "weight",
    "company", "owner", "customer", "client", "agent", "publisher", "journal", "speaker", "team",
    "unnamed", "recommended", "verified", "error", "parse", "sprache", "datum", "langue", "idioma",
    "语言", "来源", "error", "std", "variance", "rev", "hash", "license", "unclear",
))  # fmt: skip
_PAIRS = (
    ("premise", "hypothesis"), ("text", "hypothesis"), ("context", "hypothesis"),
    ("question", "answer"), ("question", "passage"), ("question", "sentence"),
    ("question", "context"), ("question", "paragraph"), ("question", "document"),
    ("query", "passage"), ("query", "document"), ("query", "doc"), ("query", "answer"),
    ("query", "text"), ("query", "candidate"), ("query", "response"), ("query", "title"),
    ("claim", "evidence"), ("source", "target"), ("sentence", "paraphrase"), ("src", "tgt"),
    ("context", "response"), ("prompt", "response"), ("anchor", "positive"), ("left", "right"),
    ("first", "second"), ("original", "paraphrase"), ("frage", "antwort"), ("headline", "body"),
    ("post", "reply"), ("tweet", "reply"), ("comment", "reply"), ("parent", "comment"),
    ("reference", "candidate"), ("student", "reference"), ("ph", "ref"), ("argument", "topic"),
    ("praemisse", "hypothese"), ("prämisse", "hypothese"), ("premisa", "hipotesis"),
    ("问题", "答案"), ("question", "response"), ("sent", "para"),
)  # fmt: skip
_ENDS = (("1", "2"), ("0", "1"), ("a", "b"), ("one", "two"), ("first", "second"), ("left", "right"))


def parts(name: str) -> tuple[str, ...]:
    """A name's words in lower case: "Review Text", "reviewText" and "review_text" are the same.

    >>> parts("goldLabel_2")
    ('gold', 'label', '2')
    """
    return tuple(part.lower() for part in _PART.findall(name))


def worth(name: str, of: dict[str, float]) -> float:
    """How much a name speaks for one of a kind of names, 0 to 1.

    Whole it counts most, then by its last word ("review_body"), then by any of its words.
    """
    words = parts(name)
    if not words:
        return 0.0
    whole = "_".join(words)
    if whole in of:
        return of[whole]
    kept = [word for word in words if not word.isdigit()] or list(words)
    return max(
        (of.get(word, 0.0) * (0.8 if place == len(kept) - 1 else 0.65))
        for place, word in enumerate(kept)
    )


def is_learned_seldom(name: str) -> bool:
    """Whether a name is one of what is known of a row, such as its author, and not of its label."""
    return any(word in _NOT_LEARNED for word in parts(name))


def has(name: str, words: frozenset[str]) -> bool:
    """Whether one of a name's words is among `words`."""
    return any(word in words for word in parts(name))


def is_pair(first: str, second: str) -> bool:
    """Whether two names say that their columns belong together, in this order.

    >>> is_pair("sentence1", "sentence2"), is_pair("premise", "hypothesis"), is_pair("title", "text")
    (True, True, False)
    """
    one, two = parts(first), parts(second)
    if not one or not two:
        return False
    if len(one) == len(two) and one != two:
        differing = [(a, b) for a, b in zip(one, two, strict=True) if a != b]
        if len(differing) == 1 and (differing[0] in _ENDS or differing[0] in _PAIRS):
            return True
    if first[:-1] == second[:-1] and (first[-1:].lower(), second[-1:].lower()) in _ENDS:
        return True
    return any(a in one and b in two for a, b in _PAIRS)
