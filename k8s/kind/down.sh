#!/usr/bin/env bash
# Deletes the kind cluster and all that is in it. The images in docker stay.
set -euo pipefail
# shellcheck source=k8s/kind/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

command -v kind >/dev/null || die "kind is not installed" "make kind-up says how to install it"
if cluster_exists; then
  kind delete cluster --name "$CLUSTER" --kubeconfig "$KUBECONFIG"
else
  say "there is no cluster $CLUSTER"
fi
rm -f "$KUBECONFIG"
