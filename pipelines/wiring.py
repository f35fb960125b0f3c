"""The Kubeflow pipeline of a DAG: a task a box, wired as the table says."""

# No `from __future__ import annotations`: KFP reads the annotations of a pipeline's function.
from collections.abc import Mapping, Sequence
from typing import Any

from kfp import dsl

from pipelines.box import Box, Output
from pipelines.dag import AnyDag


def build(dag: AnyDag, sections: Mapping[str, str]) -> Any:
    """The KFP pipeline of a DAG.

    Args:
        dag: The DAG.
        sections: Each box's section, as `dag.sections()` gives them.
    """
    wiring = _Wiring(dag, sections)

    @dsl.pipeline(name=dag.name, description=dag.spec.description or None)
    def pipeline() -> None:
        closing = [wiring.add(box) for box in dag.boxes if box.closes]
        rest = [box for box in dag.boxes if not box.closes]
        if not closing:
            wiring.place(rest)
            return
        with dsl.ExitHandler(*closing, name=dag.kind):
            wiring.place(rest)

    return pipeline


def box_of_task(pipeline_spec: Any) -> dict[str, str]:
    """KFP's names of a compiled pipeline's tasks, to the boxes': "evaluate-2" to "evaluate-bundle".

    Args:
        pipeline_spec: The `PipelineSpec` message.
    """
    dags = [pipeline_spec.root.dag, *(one.dag for one in pipeline_spec.components.values())]
    return {name: task.task_info.name for dag in dags for name, task in dag.tasks.items()}


class _Wiring:
    """Adds boxes to the KFP pipeline that is being built."""

    def __init__(self, dag: AnyDag, sections: Mapping[str, str]) -> None:
        self._dag, self._sections = dag, sections
        self._branches = dag.graph.branches(dag.kind)
        self._tasks: dict[str, dsl.PipelineTask] = {}

    def place(self, boxes: Sequence[Box]) -> None:
        """Adds boxes in running order; those that run only on an answer stand in an `If`."""
        waiting = list(boxes)
        while waiting:
            box = waiting.pop(0)
            task = self.add(box)
            branch = self._branches.get(box.name)
            if branch is None:
                continue
            inside = [one for one in waiting if one.name in branch.boxes]
            waiting = [one for one in waiting if one.name not in branch.boxes]
            with dsl.If(task.outputs["Output"] == branch.answer, name=branch.answer):
                self.place(inside)

    def _output(self, source: Output) -> Any:
        """An output; of a box that runs in several pods those of all."""
        found = self._tasks[source.box].outputs[source.name]
        box = next(box for box in self._dag.boxes if box.name == source.box)
        return dsl.Collected(found) if box.workers(self._dag) > 1 else found

    def add(self, box: Box) -> Any:
        """One task, which bears the box's name whatever KFP calls it."""
        dag, component = self._dag, box.component
        given = {
            parameter: self._output(source) for parameter, source in dag.graph.takes(box).items()
        }
        if "task" in (component.component_spec.inputs or {}):
            given["task"] = box.task or box.name
        workers = box.workers(dag)
        if workers > 1:
            shards = [str(number) for number in range(workers)]
            with dsl.ParallelFor(shards, name=box.name) as shard:
                return self._placed(box, component, given | {"shard": shard})
        return self._placed(box, component, given)

    def _placed(self, box: Box, component: Any, given: Mapping[str, Any]) -> Any:
        dag = self._dag
        task = component(section=self._sections[box.name], **given)
        self._tasks[box.name] = task
        for name in box.after:
            if name in self._tasks:
                task.after(self._tasks[name])
        # What reads a compiled pipeline, or a run of one, finds the box there.
        task.set_display_name(box.name)
        owner = dag.owner(box)
        owner.site.equip(task, box, owner)
        if not box.cached(dag):
            task.set_caching_options(False)
        return task
