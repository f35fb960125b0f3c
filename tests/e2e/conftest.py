"""End-to-end tests need a cluster with Kubeflow Pipelines: KFP_HOST or KUBECONFIG says which.

`make kind-test` sets it. Without either every test is skipped, and the reason is printed. They are
marked slow, so that `make test` in a shell with an exported KUBECONFIG starts no runs on that cluster.
"""

import os
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))
RESOURCES = HERE.parents[1] / "k8s/overlays/kind/resources.yaml"
NO_CLUSTER = "no cluster: KFP_HOST or KUBECONFIG says which (make kind-up, make kind-test)"
GIVEN = bool(os.environ.get("KFP_HOST") or os.environ.get("KUBECONFIG"))


@pytest.hookimpl(tryfirst=True)  # before `-m "not slow"` chooses
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks this folder's tests that need a cluster, and skips them where there is none."""
    for item in items:
        if HERE in item.path.parents and "user" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.slow)
            item.add_marker(pytest.mark.timeout(3000))
            if not GIVEN:
                item.add_marker(pytest.mark.skip(reason=NO_CLUSTER))


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Says why they were skipped, also without -rs."""
    skipped = terminalreporter.stats.get("skipped", [])
    count = sum(NO_CLUSTER in str(report.longrepr) for report in skipped)
    if count:
        terminalreporter.write_line(f"{count} end-to-end tests skipped: {NO_CLUSTER}")


@pytest.fixture(scope="session")
def user(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A person with a command line, connected to the cluster."""
    from cluster_user import User

    from pipelines.cluster.kfp.connection import connect

    given = Path(os.environ.get("BERTWORKS_E2E_RESOURCES", RESOURCES))
    connection = connect()
    someone = User(
        tmp_path_factory.mktemp("specs"),
        connection,
        yaml.safe_load(given.read_text()),
        uuid.uuid4().hex[:6],
    )
    try:
        yield someone
        someone.clean_up()
    finally:
        connection.close()


@pytest.fixture(scope="session")
def first_run(user: Any) -> str:
    """The id of a tiny agent's run from nothing, which succeeded."""
    from cluster_user import STEPS, run_id

    done = user.bertworks("submit", user.spec("main"), "--wait", seconds=STEPS)
    return run_id(done.stdout + done.stderr)
