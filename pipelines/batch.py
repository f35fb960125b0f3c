"""The pipeline that answers the rows of a file on a cluster: one box, which trains nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bertworks.errors import SpecError
from bertworks.spec.file import SpecFile
from pipelines.box import Box
from pipelines.boxes import never
from pipelines.dag import Dag
from pipelines.resources import places
from pipelines.site import Kubeflow

SUFFIX = "predict"


@dataclass(frozen=True)
class Asked:
    """What is to be answered.

    Attributes:
        file: The rows, as pods see them.
        out: Where the answers go, likewise.
        version: The agent's version; None: its champion.
        top: How many labels' scores are written of a row.
        keep_formulas: Whether cells that a spreadsheet would run are written as they are.
        beam: Options of Apache Beam; None: the pod does the work.
    """

    file: str
    out: str
    version: int | None = None
    top: int = 5
    keep_formulas: bool = False
    beam: Sequence[str] | None = None


class BatchDag(Dag):
    """The DAG of one box."""

    @property
    def name(self) -> str:
        """What the pipeline is called."""
        return f"{self.spec.name}-{SUFFIX}"


def batch_dag(loaded: SpecFile, asked: Asked) -> BatchDag:
    """The DAG that answers a file with the agent of a spec.

    Raises:
        SpecError: The file or the output is not where pods see it.
    """
    volume = loaded.spec.resources.volume
    for name, path in (("file", asked.file), ("out", asked.out)):
        on_volume = volume.claim is not None and path.startswith(f"{volume.mount}/")
        if not on_volume or ".." in path:
            raise SpecError(
                f"On a cluster the {name} must lie on the volume that pods see, below "
                f"{volume.mount}. Received: {path!r}",
                "Copy it there, and give its path there.",
            )

    def section(dag: Dag) -> Mapping[str, object]:
        known = {"name": dag.spec.name, "store": dag.site.store, **asked.__dict__}
        return {key: value for key, value in known.items() if value is not None}

    box = Box(name=SUFFIX, section=section, cached=never, requests=("1", "2Gi"))
    return BatchDag(loaded.spec, Kubeflow(places(loaded.spec.resources).store), table=(box,))
