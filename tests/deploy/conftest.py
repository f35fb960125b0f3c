"""Puts the helpers on the path; a cluster with the controllers that a rollout needs."""

import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
for folder in (HERE, HERE.parent / "cluster", HERE.parent / "helpers"):
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))

from rollout_cluster import RolloutCluster  # noqa: E402

from components.deploy.settings import Serving  # noqa: E402


@pytest.fixture
def fake():
    with RolloutCluster() as cluster:
        yield cluster


@pytest.fixture
def cluster(fake, tmp_path):
    from kubernetes import client, config

    from components.deploy.cluster import Cluster

    given = client.Configuration()
    config.load_kube_config(fake.kubeconfig(tmp_path), client_configuration=given)
    return Cluster(client.ApiClient(given), "runs")


@pytest.fixture
def serving():
    """Makes settings of a version."""

    def of(version=1, **changes):
        facts = {"name": "mood", "version": version, "digest": f"{version:x}" * 64}
        rest = {"store": "/bertworks/models", "image": "bertworks/serving:0.1.0"}
        return Serving(**{**facts, **rest, **changes})

    return of
