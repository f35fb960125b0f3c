"""Compares what a dialogue would be made of now with what the one that serves was made of."""

from __future__ import annotations

import os
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from bertworks import failures
from bertworks.contracts.retraining import COMPARISON
from bertworks.data.sources.fingerprints import fingerprint, of_base, of_file
from bertworks.errors import SourceError
from bertworks.notices import Notice
from bertworks.retraining.dialogue import compare
from bertworks.spec import Base, Source
from bertworks.storage import artifacts
from bertworks.storage.outcomes import Outcomes
from bertworks.storage.store import Store
from components.contract import StepResult, StepSection


class NamedFile(BaseModel):
    """A file that the spec names, of which only this step can tell what is in it.

    Attributes:
        key: Where the spec names it.
    """

    model_config = ConfigDict(frozen=True)

    key: str
    uri: str


class Section(StepSection):
    """What there is now, and where models are kept.

    Attributes:
        store: URI or path of the model store.
        made_of: Place of a source, a file or a spec to what tells its content, where that is known.
        files: The same places to the files that are looked at now.
        sources: And to the sources of rows and texts.
        bases: And to the encoders that agents start from.
        spec_folder: What relative paths start from.
        retrain: Whether a retraining begins with it, which goes on only where something is new.
    """

    name: str
    store: str
    made_of: dict[str, str]
    files: dict[str, NamedFile] = Field({})
    sources: dict[str, Source] = Field({})
    bases: dict[str, Base] = Field({})
    spec_folder: str = "."
    retrain: bool = False


def run(section: Section, *, comparison: Path) -> StepResult:
    """Decides whether there is anything new, and writes down what there is.

    Nothing has been read by then: what changes while the dialogue is made counts as new the next time.

    Args:
        section: name, store (URI or path of the model store), made_of, and what is looked at now: files,
            sources, bases, spec_folder; retrain.
        comparison: Where the comparison artifact goes.

    Raises:
        SourceError: A file or a source is not there, or cannot be reached.
        ArtifactError: The store is damaged.
    """
    made_of = {**section.made_of, **_looked_at(section)}
    found = compare(Store(section.store), section.name, dict(sorted(made_of.items())))
    with artifacts.write(
        comparison, kind="comparison", producer="compare_dialogue",
        metadata={"changed": found.changed},
    ) as folder:  # fmt: skip
        COMPARISON.write(folder, found)
    if section.retrain and (run_id := os.environ.get(failures.RUN)):
        Outcomes(section.store, section.name).note(run_id, "compare", found)
    answer = "changed" if found.changed else "unchanged"
    return StepResult(
        {"changed": int(found.changed)}, notices=[Notice(found.reason)], answer=answer
    )


def _looked_at(section: Section) -> dict[str, str]:
    """What tells the content of each place that nobody could look at before."""
    folder, found, place = Path(section.spec_folder), {}, ""
    try:
        for place, file in section.files.items():
            found[place] = of_file(file.uri, None, folder, file.key)
        for place, source in section.sources.items():
            found[place] = fingerprint(source, folder)
        for place, base in section.bases.items():
            found[place] = of_base(base, folder)
    except SourceError as error:
        raise SourceError(f"{place}: {error.message}", error.fix) from None
    return found
