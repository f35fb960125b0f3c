"""Each piece of advice that names a setting or an option is taken by a test, or says why not."""

from __future__ import annotations

import ast
import re
from functools import cache

from bertworks.spec import AgentSpec, Columns, Source
from tests.fixes.collected import REPOSITORY, Advice
from tests.fixes.test_fixes_name_what_exists import ALL, FOREIGN, OPTION, _settings

SOURCE = {*Source.model_fields, *Columns.model_fields, *AgentSpec.model_fields}
"""Settings that advice calls by their last name alone, as those of "the source"."""
CLUSTER = "tests/cluster or tests/deploy do it on a stand-in for the cluster"
TFX = "only the tfx image has TFX; the step without TFX has the same advice, which is taken"
OUTSIDE = {
    # (file, a piece of the advice): why no test here takes it
    ("components/launch.py", "timeout_minutes"): "the container's time: tests/launch ends by it",
    (
        "components/launch.py",
        "or give the step more memory",
    ): "a machine's memory; the settings are "
    "tried by test_taken_steps.py::test_a_step_out_of_memory",
    ("components/launch.py", "or change --root"): "a disk; tried by "
    "test_taken_commands.py::test_a_disk_that_fills_up, where no error is raised",
    ("pipelines/cli/main.py", "Run with --no-cache once."): "a whole run, in tests/pipelines",
    ("components/deploy/deployment.py", "Then: bertworks deploy"): CLUSTER,
    ("pipelines/cluster/kfp/connection.py", "KFP_NAMESPACE to your profile's"): CLUSTER,
    ("pipelines/cluster/deploy/cli.py", "--status shows it"): CLUSTER,
    ("pipelines/cluster/deploy/cli.py", "or say --namespace"): CLUSTER,
    ("pipelines/cluster/kube/forward.py", "Set KFP_HOST (or --host)"): CLUSTER,
    (
        "pipelines/cluster/schedule/lifecycle.py",
        "Make one: bertworks schedule SPEC --cron",
    ): CLUSTER,
    ("pipelines/cluster/schedule/cli.py", '--cron "0 3 * * 1"'): CLUSTER,
    ("pipelines/cluster/kfp/submit.py", "or name another one with --experiment"): CLUSTER,
    ("pipelines/tfx/agent.py", "Run it in the tfx image"): TFX,
    ("pipelines/tfx/steps/checking.py", "to warning."): TFX,
    ("pipelines/tfx/running.py", ""): TFX,
    ("pipelines/tfx/steps/tokens.py", ""): TFX,
}


@cache
def tried() -> frozenset[tuple[str, str]]:
    """The (file, piece) of each call of `taken` in the tests."""
    found = set()
    for file in (REPOSITORY / "tests").rglob("test_*.py"):
        text = file.read_text(encoding="utf-8")
        if "fixes.taking" not in text:
            continue
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "taken":
                file_, piece = (ast.literal_eval(one) for one in node.args[:2])
                found.add((str(file_), str(piece)))
    return frozenset(found)


def _names_something(found: Advice) -> bool:
    options = set(OPTION.findall(found.fix or "")) - FOREIGN
    own = set(re.findall(r"`(\w+)[:`]|source's (\w+)", found.fix or ""))
    return bool(_settings(found) or options or SOURCE & {name for pair in own for name in pair})


def _is_of(found: Advice, where: tuple[str, str]) -> bool:
    file, piece = where
    return found.place.startswith(f"{file}:") and piece in (found.fix or "")


def test_the_tests_are_found() -> None:
    assert len(tried()) > 60


def test_advice_on_settings_and_options_is_taken_or_says_why_not() -> None:
    missing = [
        (found.place, found.fix)
        for found in ALL
        if _names_something(found)
        and not any(_is_of(found, where) for where in (*tried(), *OUTSIDE))
    ]
    assert not missing


def test_what_is_left_out_is_there_and_not_taken_as_well() -> None:
    for where in OUTSIDE:
        own = [found for found in ALL if _is_of(found, where)]
        assert own, where
        assert any(not any(_is_of(found, one) for one in tried()) for found in own), where
