"""Runs a compiled pipeline with kfp.local's DockerRunner, in a process of its own.

    python run_dag.py PIPELINE_YAML PIPELINE_ROOT VOLUME NETWORK

Each step runs in a container as a pod would, on the NETWORK "none" or, where it is to reach an index on
loopback, "host". VOLUME is mounted at /bertworks.
"""

import sys

from confined import CONFINED, user
from docker.types import Mount
from kfp import components, local


def main(pipeline: str, root: str, volume: str, network: str) -> None:
    mounts = [Mount("/bertworks", volume, type="bind")]
    runner = local.DockerRunner(mounts=mounts, network_mode=network, user=user(), **CONFINED)
    local.init(runner=runner, pipeline_root=root, raise_on_error=True)
    components.load_component_from_file(pipeline)()


if __name__ == "__main__":
    main(*sys.argv[1:])
