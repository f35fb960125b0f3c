#!/usr/bin/env python3
"""Stands for docker, kind, kubectl, make and git: notes how it was called, answers like the real one.

Its state is a folder, $FAKE_STATE: `calls` (one call a line), `cluster` (there when the cluster is),
`not-ready` (how many more times a deployment is not ready), `fail` (a text; a call that has it fails).
"""

import os
import sys
from pathlib import Path

state = Path(os.environ["FAKE_STATE"])
tool, arguments = Path(sys.argv[0]).name, sys.argv[1:]
call = " ".join([tool, *arguments])
with (state / "calls").open("a") as calls:
    calls.write(call.replace("\n", " ") + "\n")

failing = state / "fail"
if failing.exists() and failing.read_text() in call:
    print("made to fail", file=sys.stderr)
    sys.exit(1)

cluster, patched = state / "cluster", state / "patched"
if call.startswith("kind get clusters") and cluster.exists():
    print("other\n" + cluster.read_text())
elif call.startswith("kind create cluster"):
    cluster.write_text(arguments[arguments.index("--name") + 1])
    Path(arguments[arguments.index("--kubeconfig") + 1]).write_text("made")
elif call.startswith("kind export kubeconfig"):
    Path(arguments[arguments.index("--kubeconfig") + 1]).write_text("exported")
elif call.startswith("kind delete cluster"):
    cluster.unlink()
elif "get deployments" in call:
    left = state / "not-ready"
    count = int(left.read_text()) if left.exists() else 0
    left.write_text(str(max(0, count - 1)))
    print("ml-pipeline      1   1")
    print(f"mysql            1   {'<none>' if count else 1}")
elif "get pods --no-headers" in call:
    print("mysql-1   0/1   ImagePullBackOff   0   2m")
    print("ml-pipeline-1   1/1   Running   0   2m")
    print("job-1   0/1   Completed   0   2m")
elif "get events" in call:
    print("Warning   Failed   pull of mysql refused")
elif "patch configmap" in call:
    print("configmap/workflow-controller-configmap patched" + " (no change)" * patched.exists())
    patched.touch()
elif "get node" in call:
    print(os.environ.get("FAKE_GPUS", "2"), end="")
