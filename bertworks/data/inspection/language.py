"""The script and the language of texts, by their letters and their most frequent small words.

A look that needs no model: enough to choose a base and to see two languages in one file, not more.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from bertworks.data.inspection.decisions import evenly

LOOKED_AT = 2_000
_SCRIPTS = {
    "Latin": r"a-zA-Z\u00c0-\u024f\u1e00-\u1eff", "Cyrillic": r"\u0400-\u052f",
    "Greek": r"\u0370-\u03ff", "Hebrew": r"\u0590-\u05ff", "Arabic": r"\u0600-\u06ff\u0750-\u077f",
    "Devanagari": r"\u0900-\u097f", "Bengali": r"\u0980-\u09ff", "Tamil": r"\u0b80-\u0bff",
    "Telugu": r"\u0c00-\u0c7f", "Thai": r"\u0e00-\u0e7f", "Georgian": r"\u10a0-\u10ff",
    "Armenian": r"\u0530-\u058f", "Amharic": r"\u1200-\u137f", "Khmer": r"\u1780-\u17ff",
    "Hangul": r"\uac00-\ud7af\u1100-\u11ff", "Kana": r"\u3040-\u30ff",
    "Han": r"\u3400-\u9fff\uf900-\ufaff",
}  # fmt: skip
_LETTERS = {name: re.compile(f"[{letters}]") for name, letters in _SCRIPTS.items()}
_OF_SCRIPT = {
    "Greek": "el", "Hebrew": "he", "Bengali": "bn", "Tamil": "ta", "Telugu": "te", "Thai": "th",
    "Georgian": "ka", "Armenian": "hy", "Amharic": "am", "Khmer": "km", "Hangul": "ko", "Kana": "ja",
}  # fmt: skip
_WORDS = {
    "en": "the of and to in is that it for was on are as with his they at be this have from or had by "
    "not but what all were we when your can said there an each she do how their if will i you my me "
    "please would which am so it's don't get",
    "de": "der die und in den von zu das mit sich des auf für ist im dem nicht ein eine als auch es an "
    "werden aus er hat dass sie nach wird bei einer um am sind noch wie einem über einen so zum war "
    "haben nur oder aber vor zur bis mehr durch man ich wir kann sehr",
    "fr": "de la le et les des en un du une que est pour qui dans a par plus pas au sur ne se ce il "
    "sont avec je vous nous cette mais ou son ses tout été très c'est j'ai elle on leur être comme si",
    "es": "de la que el en y a los se del las un por con no una su para es al lo como más pero sus le "
    "ya o este sí porque esta entre cuando muy sin sobre también me hasta hay donde fue han mi yo",
    "it": "di e il la che in un a per è una sono non del con i si da le della al come più anche ma lo "
    "gli nel ha alla questo o dei mi ho se io molto sua perché delle c'è questa ci",
    "pt": "de a o que e do da em um para é com não uma os no se na por mais as dos como mas foi ao ele "
    "das tem à seu sua ou ser quando muito há nos já está eu também só pelo pela até isso você",
    "nl": "de van een het en in is dat op te zijn met voor niet aan er die maar om ook als dan bij nog "
    "uit ik je naar heb hij was wordt door over ze zich hebben deze heeft wat geen mijn",
    "sv": "och i att det som en på är av för med den till inte har de ett om var men så jag från vi kan "
    "han du nu mycket hade sig vid mig ut skulle där",
    "da": "og i at det er en til af på som med for den ikke der har de et kan jeg om vi var så men fra "
    "han sig skal blev meget ud efter noget eller hvor være",
    "no": "og i det er på som en til av for at med har de ikke den et om han var jeg men fra vi så kan "
    "skal ble også etter bare meg noe eller hvor være",
    "fi": "ja on ei se että oli hän joka mutta ovat kun tai myös niin kuin ole jos hänen sen nyt mitä "
    "tämä vain minä jo kanssa olen vielä siitä ollut en",
    "pl": "w i na z się do nie to że jest o jak za od po co ale przez dla są być tego tak już ma czy "
    "tylko przy jego bardzo mnie był jej oraz może ze",
    "cs": "a v se na je že o s z do i to k ve pro za by ale si po jsou jako podle od jeho které však "
    "nebo už jen při byl tak není ještě jsem",
    "ro": "de și în la cu a nu pe că o să din mai este un care pentru au se ce fi sunt dar prin după "
    "ca am ai lui sau foarte era",
    "hu": "a az és hogy nem is egy ez meg csak de van volt ki már még el vagy mint ha azt lesz nagyon "
    "kell minden fel sem aki",
    "tr": "ve bir bu da de için çok ne ile o ama gibi daha var en ben kadar olarak değil her mi sonra "
    "olan ki bana şey iyi yok",
    "id": "yang dan di itu dengan untuk tidak ini dari dalam akan pada juga saya ke karena ada bisa "
    "oleh sudah atau tersebut kami sangat lebih",
    "vi": "và của là có không cho được các trong một người với những này đã để khi rất tôi cũng từ thì "
    "đến như ra nhưng",
    "ru": "и в не на я что он с как это а по но к из у за то все так его от же для о вы бы мы она "
    "только был очень они еще мне уже или",
    "uk": "і в не на що з до та як це за у його від але про для є ми вони був або так дуже він також "
    "який ще",
    "bg": "и на да в се за от не е са с че по като си при но до това ще или така най много беше",
    "ar": "في من على أن إلى لا ما هذا عن كان مع هذه هو كل التي أو هي لم بعد ان قد الذي بين و",
    "fa": "و در به از که این را با است برای آن یک خود تا کرد بر هم نیز شد می بود های اما",
    "ur": "کے کی میں ہے اور سے کا کو اس نے پر یہ ہیں کہ بھی تھا نہیں ایک ہو",
    "hi": "के में की है और से का को पर यह हैं कि भी नहीं ने एक इस था हो",
    "mr": "आणि आहे या ते हे की तर नाही च व होते",
}  # fmt: skip
_SETS = {name: frozenset(text.split()) for name, text in _WORDS.items()}
_SMALL = {
    "Latin": ("en", "de", "fr", "es", "it", "pt", "nl", "sv", "da", "no", "fi", "pl", "cs", "ro", "hu",
              "tr", "id", "vi"),
    "Cyrillic": ("ru", "uk", "bg"), "Arabic": ("ar", "fa", "ur"), "Devanagari": ("hi", "mr"),
}  # fmt: skip
_TRADITIONAL = frozenset("們這來說時會國對點開關東車長門問間見們後過還從電話業麼樣嗎為與個學無萬義")
_SIMPLIFIED = frozenset("们这来说时会国对点开关东车长门问间见们后过还从电话业么样吗为与个学无万义")
_NAMES = {
    "en": "English", "de": "German", "fr": "French", "es": "Spanish", "it": "Italian",
    "pt": "Portuguese", "nl": "Dutch", "sv": "Swedish", "da": "Danish", "no": "Norwegian",
    "fi": "Finnish", "pl": "Polish", "cs": "Czech", "ro": "Romanian", "hu": "Hungarian",
    "tr": "Turkish", "id": "Indonesian", "vi": "Vietnamese", "ru": "Russian", "uk": "Ukrainian",
    "bg": "Bulgarian", "ar": "Arabic", "fa": "Persian", "ur": "Urdu", "hi": "Hindi", "mr": "Marathi",
    "el": "Greek", "he": "Hebrew", "bn": "Bengali", "ta": "Tamil", "te": "Telugu", "th": "Thai",
    "ka": "Georgian", "hy": "Armenian", "am": "Amharic", "km": "Khmer", "ko": "Korean",
    "ja": "Japanese", "zh": "Chinese",
}  # fmt: skip
_TOKEN = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)?")
_SECOND = 0.1
"""The share of texts in another language that makes a file one of two languages."""


@dataclass(frozen=True)
class Language:
    """What texts are written in.

    Attributes:
        code: ISO 639-1; "" where it cannot be told.
        script: The script of most letters; "Han (simplified)" and "Han (traditional)" are told apart.
        share: The texts that are in it, of those whose language could be told.
        second: Another language that a tenth of them or more are in; "" where there is none.
        second_share: The texts that are in that one.
        sure: Whether enough small words or letters were seen.
    """

    code: str
    script: str
    share: float = 1.0
    second: str = ""
    second_share: float = 0.0
    sure: bool = True

    @property
    def name(self) -> str:
        """In English: "German"."""
        return name_of(self.code)


def name_of(code: str) -> str:
    """A language's name in English."""
    return _NAMES.get(code, "an unknown language")


def language_of(texts: Sequence[str]) -> Language:
    """The language of a sample of texts.

    Long texts are judged each by themselves; what short ones hold is counted together.
    """
    looked = evenly(texts, LOOKED_AT)
    letters: Counter[str] = Counter()
    votes: Counter[str] = Counter()
    hits: Counter[str] = Counter()
    for text in looked:
        text = text[:2_000]
        of_text = Counter({name: len(found.findall(text)) for name, found in _LETTERS.items()})
        letters += of_text
        script = _script(of_text)
        if not script:
            continue
        if script in _SMALL:
            found = _small_words(text, script)
            hits += found
            ranked = found.most_common(2)
            clear = len(ranked) == 1 or (len(ranked) == 2 and ranked[0][1] > 1.5 * ranked[1][1])
            if ranked and ranked[0][1] >= 2 and clear:
                votes[ranked[0][0]] += 1
        else:
            votes["zh" if script == "Han" else _OF_SCRIPT[script]] += 1
    script = _script(letters)
    if not script:
        return Language("", "none", sure=False)
    if script == "Han":
        script = f"Han ({_han(looked)})"
    told = votes.total()
    if told < 0.1 * len(looked):  # texts too short to be judged each
        best = hits.most_common(1)
        sure = bool(best) and best[0][1] >= 5
        return Language(best[0][0] if best else "", script, sure=sure)
    (first, count), *rest = votes.most_common(2)
    share = count / told
    if rest and rest[0][1] / told >= _SECOND:
        return Language(first, script, share, rest[0][0], rest[0][1] / told)
    return Language(first, script, share)


def _script(letters: Counter[str]) -> str:
    """The script of most letters; Japanese has kana among its ideographs."""
    total = letters.total()
    if not total:
        return ""
    ideographs = letters["Han"] + letters["Kana"]
    if ideographs and letters["Kana"] > 0.1 * ideographs and ideographs >= 0.3 * total:
        return "Kana"
    # An ideograph says as much as several letters.
    weighed = {
        name: count * (3 if name in ("Han", "Hangul") else 1) for name, count in letters.items()
    }
    return max(weighed, key=lambda name: weighed[name])


def _small_words(text: str, script: str) -> Counter[str]:
    words = [word.lower().replace("’", "'") for word in _TOKEN.findall(text)]
    found = Counter({code: sum(word in _SETS[code] for word in words) for code in _SMALL[script]})
    return Counter({code: count for code, count in found.items() if count})


def _han(texts: Sequence[str]) -> str:
    counts = Counter("".join(texts))
    old = sum(counts[one] for one in _TRADITIONAL - _SIMPLIFIED)
    new = sum(counts[one] for one in _SIMPLIFIED - _TRADITIONAL)
    return "traditional" if old > new else "simplified"
