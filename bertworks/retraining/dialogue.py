"""Is there anything new for a dialogue to be made of? By fingerprints, before anything is read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from bertworks.contracts.retraining import Comparison, Counts, Version
from bertworks.data.sources.fingerprints import UNSEEN
from bertworks.shortened import listed
from bertworks.storage.store import Store
from bertworks.storage.store import Version as Stored

_SHOWN = 5


def compare(store: Store, name: str, made_of: Mapping[str, str]) -> Comparison:
    """Compares with the champion, and with what was last made to replace it.

    Args:
        store: The model store.
        name: The dialogue.
        made_of: Place of a source, a file or a spec to what tells its content now.

    Raises:
        ArtifactError: The store is damaged.
    """
    found = _compared(store, name, made_of)
    return replace(found, made_of=dict(made_of))


def _compared(store: Store, name: str, made_of: Mapping[str, str]) -> Comparison:
    champion = store.champion(name)
    if champion is None:
        return _found("There is no champion yet.", None, None)
    tried = _tried(store, champion)
    before = champion.made.made_of
    if before is None:
        return _found(f"What version {champion.number} was made of is not known.", champion, tried)
    news = sorted(place for place in {*before, *made_of} if before.get(place) != made_of.get(place))
    if not news:
        reason = f"Nothing is new: version {champion.number} was made of the same."
        return _found(reason, champion, tried, changed=False)
    if tried is not None and tried.made.made_of == dict(made_of):
        reason = f"Nothing is new since version {tried.number}, which did not replace it."
        return _found(reason, champion, tried, changed=False)
    if all(before.get(place) == UNSEEN for place in news):
        # Made on a cluster when nobody looked at what lay on the volume.
        reason = f"What version {champion.number} was made of is not known: {listed(news, _SHOWN)}."
        return _found(reason, champion, tried)
    return _found(f"New: {listed(news, _SHOWN)}.", champion, tried)


def _found(
    reason: str, champion: Stored | None, tried: Stored | None, changed: bool = True
) -> Comparison:
    return Comparison(
        changed, reason, 0, Counts(), champion=_version(champion), tried=_version(tried)
    )


def _version(stored: Stored | None) -> Version | None:
    return None if stored is None else Version(stored.number, stored.digest)


def _tried(store: Store, champion: Stored) -> Stored | None:
    """What was made last to replace this very champion, and did not."""
    for one in reversed(store.list(champion.name)):
        if one.made.challenged == champion.digest and one.digest != champion.digest:
            return one
    return None
