"""The script and the language of texts, by their letters and their most frequent small words.

A look that needs no model: enough to choose a base and to see two languages in one file, not more.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
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
    "please would which am so it's don't get a two over into out up down off some about has been more "
    "who than then its he her him them no now just like only very after while near where does did why "
    "any many most should could because these our us want make new i'm can't show tell find play",
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
    "han sig skal blev meget ud efter noget eller hvor være også mig dig nu hvad kun havde bliver lige "
    "gode god min mit når hun dem os der deres vores aldrig dårlig selv uden",
    "no": "og i det er på som en til av for at med har de ikke den et om han var jeg men fra vi så kan "
    "skal ble også etter bare meg noe eller hvor være deg seg nå hva hadde blir veldig mye mer "
    "gikk fikk "
    "god min mitt når hun dem oss deres vår aldri dårlig selv uten enn dere",
    "fi": "ja on ei se että oli hän joka mutta ovat kun tai myös niin kuin ole jos hänen sen nyt mitä "
    "tämä vain minä jo kanssa olen vielä siitä ollut en ole oli olisi haluaisin milloin mutta sitä "
    "tässä "
    "kaikki paljon erittäin todella hyvä",
    "pl": "w i na z się do nie to że jest o jak za od po co ale przez dla są być tego tak już ma czy "
    "tylko przy jego bardzo mnie był jej oraz może ze",
    "cs": "a v se na je že o s z do i to k ve pro za by ale si po jsou jako podle od jeho které však "
    "nebo už jen při byl tak není ještě jsem ani bych aby když mi moje moc velmi jste mě byla bylo "
    "co její",
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
    "ca": "de la el i a que en els les un una és per no amb va al del es l'hotel com més però molt són "
    "aquest aquesta ha han jo em tot quan també ens hi ho sense fins on estat estava seva seu ja "
    "si nosaltres "
    "dels als pel era perquè meva meu",
    "hr": "je i u na se da su za od s nije koji što ali kao sam smo bio bila to iz vrlo ili samo već ne "
    "kada još do po kako će me mi ga nema sve bez gdje ovo",
    "sk": "a v sa na je že o s z do to k vo pre za by ale si po som sú ako podľa od jeho ktoré "
    "však alebo "
    "už len pri bol tak nie ešte veľmi mi keď aj čo boli bola ani kedy sme",
    "sl": "je in v na se da so za od ni ki z ne pa kot sem smo bil bila to iz zelo ali samo že še "
    "po tudi "
    "bi me kako če ko pri do kjer ga brez",
    "et": "ja on ei et oli ta see ka kui mis aga oma ma või kes siis ning mida väga veel seda nii nagu "
    "mitte olen pole meil kuid mulle",
    "lt": "ir yra kad į iš su ne tai buvo kaip bet už ar aš labai tik apie per po jau nuo man "
    "tačiau mes "
    "jis kas viskas dar",
    "lv": "un ir ka no ar uz par es tas bija kā bet ļoti nav tikai vai lai pēc mēs man to jau šis "
    "pie arī "
    "viss bez tā",
    "sw": "ya na wa kwa ni katika la za kuwa hii huu yangu sana lakini hakuna mimi sisi huo hiyo kama "
    "bila pia yake wao ili cha vya hizo watu si alikuwa ilikuwa nzuri mbaya tu ambayo",
    "af": "die van en in is het nie dat te op vir met ek was sy hy ons om ook aan baie maar as wat "
    "hulle "
    "jy my daar word sal kan by uit",
    "tl": "ang ng sa na ay mga at ako hindi po ito niya siya para lang kung pero naman may "
    "nila kami namin wala yung sila din rin",
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
              "tr", "id", "vi", "ca", "hr", "sk", "sl", "et", "lt", "lv", "sw", "af", "tl"),
    "Cyrillic": ("ru", "uk", "bg"), "Arabic": ("ar", "fa", "ur"), "Devanagari": ("hi", "mr"),
}  # fmt: skip
_LISTED = Counter(word for codes in _SMALL.values() for code in codes for word in _SETS[code])
_TELLS = {word: 1 / count**2 for word, count in _LISTED.items()}
"""How much a small word tells: one that many languages have ("a", "na") next to nothing."""
_ENOUGH = 0.5
"""What the small words of a text must tell to judge it by itself: shared ones alone do not."""
_CLEAR = 1.5
_SURE = 2.0
_NEAR = 1.1
"""How many times as much speaks for a language as for the next: in a text, to be sure, to be told."""
_KNOWN = 0.2
_TELLING = 0.07
"""A language's small words are so many of all words; or they tell so much a word."""
_SINGLE = 0.75
"""Words of one letter that tell more than this of what speaks for a language tell nothing."""
_CHINESE = frozenset("的了是我你他她们這这那很都也就吗嗎呢吧没沒还還给給让讓和在有不")
_CHINESE_SHARE = 0.03
"""Texts of ideographs with fewer of these may be Japanese that was written without kana."""
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
    "ja": "Japanese", "zh": "Chinese", "ca": "Catalan", "hr": "Croatian", "sk": "Slovak",
    "sl": "Slovenian", "et": "Estonian", "lt": "Lithuanian", "lv": "Latvian", "sw": "Swahili",
    "af": "Afrikaans", "tl": "Filipino",
}  # fmt: skip
_CAPITALS = 0.2
"""The share of texts with a capital amid small letters from which on capitals tell something."""
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


def capitals_tell(texts: Sequence[str]) -> bool:
    """Whether names can be told by their capitals: not where all is lower-cased, or shouted."""
    looked = [words for text in evenly(texts, LOOKED_AT) if len(words := _TOKEN.findall(text)) > 1]
    telling = sum(
        any(word.islower() for word in words)
        and any(word[0].isupper() and word[1:2].isalpha() for word in words[1:])  # not "I", "I'm"
        for words in looked
    )
    return telling > _CAPITALS * len(looked)


def language_of(texts: Sequence[str]) -> Language:
    """The language of a sample of texts.

    Long texts are judged each by themselves; what short ones hold is counted together. A word counts
    the less the more languages have it, so that what is not listed is taken for none of them.
    """
    looked = evenly(texts, LOOKED_AT)
    letters: Counter[str] = Counter()
    votes: Counter[str] = Counter()
    seen = {script: _Words() for script in _SMALL}
    for text in looked:
        text = text[:2_000]
        of_text = Counter({name: len(found.findall(text)) for name, found in _LETTERS.items()})
        letters += of_text
        script = _script(of_text)
        if not script:
            continue
        if script in _SMALL:
            own = _Words()
            own.add(text, script)
            seen[script].add(text, script)
            if best := own.clear():
                votes[best] += 1
        else:
            votes["zh" if script == "Han" else _OF_SCRIPT[script]] += 1
    script = _script(letters)
    if not script:
        return Language("", "none", sure=False)
    if script == "Han":
        script = f"Han ({_han(looked)})"
    told = votes.total()
    if told < 0.1 * len(looked):  # texts too short to be judged each
        words = seen.get(script, _Words())
        best = words.best()
        return Language(best, script, sure=bool(best) and words.is_sure(best))
    (first, count), *rest = votes.most_common(2)
    share = count / told
    if rest and rest[0][1] / told >= _SECOND:
        return Language(first, script, share, rest[0][0], rest[0][1] / told)
    if script in _SMALL and first in _SMALL[script]:
        words = seen[script]
        if first != words.best():
            return Language("", script, sure=False)
        return Language(first, script, share, sure=words.is_sure(first))
    return Language(first, script, share, sure=first != "zh" or _is_chinese(looked))


class _Words:
    """The small words of texts: how many of each language, and how much they tell."""

    def __init__(self) -> None:
        self.words = 0
        self.hits: Counter[str] = Counter()
        self.worth: dict[str, float] = defaultdict(float)
        self.single: dict[str, float] = defaultdict(float)

    def add(self, text: str, script: str) -> None:
        """Counts the words of a text."""
        for word in _TOKEN.findall(text):
            word = word.lower().replace("’", "'")
            self.words += 1
            if (tells := _TELLS.get(word)) is None:
                continue
            for code in _SMALL[script]:
                if word in _SETS[code]:
                    self.hits[code] += 1
                    self.worth[code] += tells
                    if len(word) == 1:
                        self.single[code] += tells

    def clear(self) -> str:
        """The language of one text that is judged by itself; "" where it cannot be."""
        best, worth = self._first()
        enough = self.hits[best] >= 2 and worth >= _ENOUGH
        return best if enough and worth > _CLEAR * self._next(best) else ""

    def best(self) -> str:
        """The language of all texts; "" where their words are of none that is listed."""
        best, worth = self._first()
        if not best or self.single[best] > _SINGLE * worth or worth < _NEAR * self._next(best):
            return ""
        many = self.hits[best] >= _KNOWN * self.words or worth >= _TELLING * self.words
        return best if many else ""

    def is_sure(self, best: str) -> bool:
        """Whether no other language is near, and enough was seen."""
        return self.hits[best] >= 5 and self.worth[best] >= _SURE * self._next(best)

    def _first(self) -> tuple[str, float]:
        return max(self.worth.items(), key=lambda one: one[1], default=("", 0.0))

    def _next(self, best: str) -> float:
        return max((worth for code, worth in self.worth.items() if code != best), default=0.0)


def _is_chinese(texts: Sequence[str]) -> bool:
    """Whether ideographs have the small words of Chinese among them."""
    ideographs = _LETTERS["Han"].findall("".join(text[:2_000] for text in texts))
    return sum(map(_CHINESE.__contains__, ideographs)) >= _CHINESE_SHARE * len(ideographs)


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


def _han(texts: Sequence[str]) -> str:
    counts = Counter("".join(texts))
    old = sum(counts[one] for one in _TRADITIONAL - _SIMPLIFIED)
    new = sum(counts[one] for one in _SIMPLIFIED - _TRADITIONAL)
    return "traditional" if old > new else "simplified"
