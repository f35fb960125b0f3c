"""Which encoder of the catalogue fits texts."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice

from bertworks.data.inspection.language import capitals_tell, language_of, name_of
from bertworks.notices import Notice
from bertworks.spec import Base
from bertworks.spec.bases import CATALOGUE, for_languages

LOOKED_AT = 2_000


def choose(base: Base, texts: Iterable[str], cased: bool = False) -> tuple[Base, Notice]:
    """The base that `base: auto` stands for, and why.

    Args:
        base: The spec's section; its other settings stay.
        texts: Those of the training rows, whose first ones are looked at.
        cased: Whether capitals tell what is learned, where the texts have them.
    """
    looked = list(islice(texts, LOOKED_AT))
    language = language_of(looked)
    codes = [code for code in (language.code, language.second) if code]
    known = codes or [language.script] if language.script != "none" else codes
    found = for_languages(known, cased and capitals_tell(looked))
    told = " and ".join(map(name_of, codes)) or "a language that cannot be told"
    settings = base.model_dump(exclude={"name", "uri", "sha256", "tokenizer"})
    chosen = Base(name=found.name, **settings)
    text = f"base: auto takes {found.name} ({found.model}): the training texts are in {told}"
    text += f" ({language.script} script)"
    if found != for_languages(known):
        text += ", and their capitals tell names"
    return chosen, Notice(f"{text}; base.name takes another one")


def alike(base: Base, texts: Iterable[str]) -> list[str]:
    """Names of the catalogue's other encoders for the language of the texts that are no shallower.

    A shallower one was not seen to be more accurate (`make bench-auto`): a search for accuracy would
    spend trials on it in vain. `base.layers` makes a small one where that is what is wanted. Those with
    another vocabulary are left out: the rows are tokenized once, for the encoder that is taken.

    Args:
        base: The encoder that is taken.
        texts: Those of the training rows, whose first ones are looked at.
    """
    language = language_of(list(islice(texts, LOOKED_AT)))
    codes = {code for code in (language.code, language.second) if code}
    own = next((one for one in CATALOGUE if one.checkpoint.uri == base.uri), None)
    return [
        one.name
        for one in CATALOGUE
        if codes and codes <= {*one.languages} and one.checkpoint.uri != base.uri
        and (own is None or (one.layers >= own.layers and one.vocabulary == own.vocabulary))
    ]  # fmt: skip
