"""A copy of the project with one step more: a folder, a section, and a line in the table of boxes."""

import filecmp
import shutil
from pathlib import Path

from tiny_agent import REPOSITORY

STEP = """
from bertworks.storage import artifacts
from bertworks.notices import Notice
from bertworks.spec import Task
from components.contract import StepResult, StepSection


class Section(StepSection):
    task: Task
    word: str


def run(section, *, examples, model, counted):
    parents = {"examples": artifacts.open_artifact(examples, "examples")}
    with artifacts.write(counted, kind="counted", producer="toy", parents=parents) as folder:
        artifacts.write_json(folder / "toy.json", section.model_dump(mode="json"))
    told = Notice("the toy had its say", "warning", more="toy.json")
    return StepResult({"sevens": 7}, notices=[told])
"""
COMPONENT = """
from kfp import dsl

from components.image import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def toy(
    section: str,
    examples: dsl.Input[dsl.Artifact],
    model: dsl.Input[dsl.Artifact],
    counted: dsl.Output[dsl.Artifact],
    scores: dsl.Output[dsl.Metrics],
    view: dsl.Output[dsl.HTML],
) -> None:
    from components.launch import launch

    launch(
        "toy",
        "toy",
        section,
        inputs={"examples": examples, "model": model},
        outputs={"counted": counted},
        metrics=scores,
        view=view,
    )
"""
SECTION = '''

def toy(dag: Dag) -> Settings:
    """What the toy plays with."""
    return {**parts("task")(dag), "word": f"of {dag.kind}"}
'''
# Settings of the toy's own, as docs/architecture.md says: a class, and a field of AgentSpec.
SETTINGS = '''"""What the toy plays with."""

from bertworks.spec.section import Section


class Toy(Section):
    """A word."""

    word: str = "none"
'''
IMPORT = "from bertworks.spec.toy import Toy\n"
FIELD = "    toy: Toy = Field(default_factory=Toy)\n"
# Before all others: the order of the table means nothing.
LINE = (
    '    Box(name="toy", section=of.toy, takes={"examples": ROWS, "model": TEACHER}, '
    'requests=("50m", "64Mi")),\n'
)


def add_toy(folder: Path, settings: bool = False) -> Path:
    """Copies the project to a folder, and adds the step.

    Args:
        folder: Where the copy goes.
        settings: Whether the spec has a section for it; else its section is made in the DAG alone.
    """
    for part in ("bertworks", "components", "pipelines"):
        shutil.copytree(REPOSITORY / part, folder / part)
    (folder / "requirements").mkdir()
    shutil.copy2(REPOSITORY / "requirements/runtime.txt", folder / "requirements")
    toy = folder / "components/toy"
    toy.mkdir()
    (toy / "__init__.py").write_text('"""The toy."""\n', encoding="utf-8")
    step, line = STEP, LINE
    if settings:
        step = IMPORT + STEP.replace("    word: str\n", "    toy: Toy\n")
        line = LINE.replace("of.toy", 'of.parts("task", "toy")')
        (folder / "bertworks/spec/toy.py").write_text(SETTINGS, encoding="utf-8")
        agent = folder / "bertworks/spec/agent.py"
        said = agent.read_text("utf-8").replace("\n\nclass", f"{IMPORT}\n\nclass", 1)
        said = said.replace("    data: Data\n", f"    data: Data\n{FIELD}", 1)
        agent.write_text(said, encoding="utf-8")
    else:
        sections = folder / "pipelines/sections.py"
        sections.write_text(sections.read_text("utf-8") + SECTION, encoding="utf-8")
    (toy / "step.py").write_text(step, encoding="utf-8")
    (toy / "component.py").write_text(COMPONENT, encoding="utf-8")
    boxes = folder / "pipelines/boxes.py"
    before, start, lines = boxes.read_text("utf-8").partition("\nTABLE = (\n")
    boxes.write_text(f"{before}{start}{line}{lines}", encoding="utf-8")
    return folder


def touched(folder: Path) -> set[str]:
    """The files that are in the copy alone, or differ."""
    own = {
        file.relative_to(folder)
        for part in ("bertworks", "components", "pipelines")
        for file in (folder / part).rglob("*.py")
    }
    return {
        str(file)
        for file in own
        if not (REPOSITORY / file).exists()
        or not filecmp.cmp(REPOSITORY / file, folder / file, shallow=False)
    }
