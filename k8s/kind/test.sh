#!/usr/bin/env bash
# Runs the end-to-end tests against the kind cluster; more arguments go to pytest.
set -euo pipefail
# shellcheck source=k8s/kind/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

need_tools
cluster_exists || die "there is no kind cluster $CLUSTER" "make kind-up"
kind export kubeconfig --name "$CLUSTER" --kubeconfig "$KUBECONFIG" >/dev/null
[ -z "$(deployments_not_ready)" ] || {
  explain_not_ready
  die "Kubeflow Pipelines is not ready" "make kind-up (it waits for it)"
}
# An address of another installation must not be what is tested; nor must a proxy be asked for it.
unset KFP_HOST
cd "$REPOSITORY"
exec .venv/bin/python -m pytest tests/e2e -v -rs -m "" "$@"
