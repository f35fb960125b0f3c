"""Languages are told by letters and small words, and the base follows them."""

from __future__ import annotations

import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bertworks.data.inspection.decisions import Decisions
from bertworks.data.inspection.language import Language, capitals_tell, language_of
from bertworks.data.inspection.rules import base_for
from bertworks.spec import bases
from tests.inspection.made import CHINESE, ENGLISH, FRENCH, GERMAN

SENTENCES = {
    "en": ENGLISH, "de": GERMAN, "fr": FRENCH, "zh": CHINESE,
    "es": ("La comida estaba fría y el camarero no se disculpó por eso",
           "Me gustaría saber cuándo llega mi tarjeta a la dirección que les di"),
    "it": ("Il cibo era freddo e il cameriere non si è nemmeno scusato per questo",
           "Vorrei sapere quando arriva la mia carta e perché non è ancora qui"),
    "pt": ("A comida estava fria e o empregado não pediu desculpa por isso",
           "Gostaria de saber quando chega o meu cartão e porque ainda não está aqui"),
    "nl": ("Het eten was koud en de ober heeft niet eens gezegd dat het hem speet",
           "Ik wil graag weten wanneer mijn kaart aankomt en waarom die er nog niet is"),
    "sv": ("Maten var kall och kyparen sa inte ens att det var synd om oss",
           "Jag vill veta när mitt kort kommer till den adress som jag har gett er"),
    "pl": ("Jedzenie było zimne i kelner nie przeprosił nas za to, że się spóźnił",
           "Chciałbym wiedzieć, kiedy przyjdzie moja karta na adres, który już podałem"),
    "tr": ("Yemek çok soğuktu ve garson bunun için bir özür bile dilemedi",
           "Kartım ne zaman gelir, bana bir bilgi verir misiniz, çok bekledim"),
    "ru": ("Еда была холодной, и официант даже не извинился за то, что он опоздал",
           "Я хотел бы знать, когда придёт моя карта и почему она ещё не пришла"),
    "uk": ("Їжа була холодною, і офіціант не вибачився за те, що він запізнився",
           "Я хотів би знати, коли прийде моя картка і чому вона ще не прийшла, що робити"),
    "el": ("Το φαγητό ήταν κρύο και ο σερβιτόρος δεν ζήτησε συγγνώμη",),
    "ja": ("料理が冷たくて、店員さんは謝りもしませんでした。", "新しいカードはいつ届きますか。"),
    "ko": ("음식이 차가웠고 종업원은 사과도 하지 않았습니다.", "새 카드는 언제 도착하나요?"),
    "ar": ("كان الطعام باردا ولم يعتذر النادل عن ذلك في هذا المطعم",
           "أريد أن أعرف متى تصل البطاقة الجديدة إلى العنوان الذي أعطيته من قبل"),
    "da": ("Maden var kold, og tjeneren undskyldte ikke engang for det",
           "Jeg vil gerne vide, hvornår mit kort kommer frem til den nye adresse"),
    "no": ("Maten var kald og kelneren sa ikke unnskyld for det",
           "Jeg vil gjerne vite når kortet mitt kommer fram til den nye adressen"),
    "ca": ("El menjar estava fred i el cambrer no es va disculpar",
           "M'agradaria saber quan arriba la meva targeta a la nova adreça"),
    "sw": ("Chakula kilikuwa baridi na mhudumu hakuomba msamaha",
           "Ningependa kujua kadi yangu itafika lini kwa anwani mpya, lakini bado"),
    "hu": ("Az étel hideg volt, és a pincér nem is kért bocsánatot",
           "Szeretném tudni, mikor érkezik meg a kártyám az új címre"),
    "cs": ("Jídlo bylo studené a číšník se ani neomluvil",
           "Chtěl bych vědět, kdy přijde moje karta na novou adresu"),
    "th": ("อาหารเย็นชืดและพนักงานไม่ได้ขอโทษ",),
}  # fmt: skip


@pytest.mark.parametrize("code", SENTENCES)
def test_a_language_is_told(code: str) -> None:
    found = language_of(list(SENTENCES[code]) * 20)
    assert (found.code, found.second) == (code, "")
    assert found.name != "an unknown language"


@pytest.mark.parametrize("texts", [
    ("A man is playing a guitar.", "A woman is slicing an onion.", "Two dogs run over the grass."),
    ("play a song by Adele", "book a table for two"),
    ("is a dog in a park", "a man and a woman are in a car"),
])  # fmt: skip
def test_english_is_told_by_words_that_other_languages_lack(texts: tuple[str, ...]) -> None:
    found = language_of(texts * 30)
    assert (found.code, found.second, found.sure) == ("en", "", True)


@pytest.mark.parametrize("texts", [
    ("Janaria hotz zegoen eta zerbitzariak ez zuen barkamenik eskatu",
     "Nire txartela noiz iritsiko den jakin nahi nuke helbide berrira"),
    ("Roedd y bwyd yn oer ac ni wnaeth y gweinydd ymddiheuro",
     "Hoffwn wybod pryd fydd fy ngherdyn yn cyrraedd y cyfeiriad newydd"),
    ("La manĝaĵo estis malvarma kaj la kelnero ne petis pardonon",
     "Mi ŝatus scii kiam mia karto alvenos al la nova adreso"),
    ("Abincin ya yi sanyi kuma mai hidimar bai nemi gafara ba",
     "Ina so in san lokacin da katina zai zo sabon adireshin"),
])  # fmt: skip
def test_a_language_that_is_not_listed_is_none_of_those_that_are(texts: tuple[str, ...]) -> None:
    found = language_of(texts * 30)
    assert (found.code, found.sure) == ("", False)
    assert base_for(found, Decisions())["name"] == bases.for_languages(["eu"]).name


def test_ideographs_alone_may_be_japanese() -> None:
    found = language_of(["最高", "最悪", "対応迅速", "大変満足", "品質良好"] * 20)
    assert (found.code, found.sure) == ("zh", False)
    assert language_of(CHINESE).sure


def test_simplified_and_traditional_characters_are_told_apart() -> None:
    assert language_of(CHINESE).script == "Han (simplified)"
    assert (
        language_of(["這間酒店的環境和服務態度不錯，但是房間太小"] * 5).script
        == "Han (traditional)"
    )


def test_single_words_are_told_together_and_nothing_is_told_of_numbers() -> None:
    assert language_of(["the", "and of", "to you"] * 20).code == "en"
    assert not language_of(["123", "4.5"]).sure


@given(st.lists(st.text(max_size=40), max_size=20))
def test_any_texts_are_looked_at(texts: list[str]) -> None:
    found = language_of(texts)
    assert 0 <= found.second_share <= found.share <= 1


@pytest.mark.parametrize(
    ("texts", "tell"),
    [
        (["On Monday Anna flew to Oslo", "shares of Acme fell"], True),
        (["on monday anna flew to oslo"], False),
        (["ON MONDAY ANNA FLEW TO OSLO"], False),
        (["Show me what is on", "Play it again"], False),
        (["can I get a refund", "when will I'm sorry be enough"], False),
        (["这个酒店不错"], False),
        (["Acme", "Oslo"], False),  # single words
        ([], False),
        # A few are no rule: a table of lower-cased remarks with a name here and there.
        ([*["it was good and cheap"] * 9, "then Anna came"], False),
    ],
)
def test_capitals_tell_names_where_small_letters_are_around_them(
    texts: list[str], tell: bool
) -> None:
    assert capitals_tell(texts) == tell


def test_the_base_of_tagged_words_reads_capitals() -> None:
    decisions = Decisions()
    assert base_for(Language("en", "Latin"), decisions, cased=True) == {"name": "e5-small"}
    assert "capitals" in decisions.made[0].reason


def test_the_base_is_one_that_knows_the_language(monkeypatch: pytest.MonkeyPatch) -> None:
    assert base_for(Language("en", "Latin"), Decisions()) == {}
    other = dataclasses.replace(bases.DEFAULT, name="many", languages=(bases.EVERY,))
    monkeypatch.setattr(bases, "CATALOGUE", (bases.DEFAULT, other))
    assert base_for(Language("de", "Latin"), Decisions()) == {"name": "many"}
    assert base_for(Language("en", "Latin", 0.6, "de", 0.4), Decisions()) == {"name": "many"}
    assert base_for(Language("en", "Latin"), Decisions()) == {}
    monkeypatch.setattr(bases, "CATALOGUE", (bases.DEFAULT,))
    decisions = Decisions()
    assert base_for(Language("de", "Latin"), decisions) == {}
    assert decisions.made[0].guessed and "German" in decisions.made[0].reason
