#!/usr/bin/env bash
# Makes the node say that it has GPUs, so that pods which ask for one are placed and counted like on a
# real GPU node. They run on the CPU. The kubelet forgets it when it restarts: call this again.
#
# Settings: FAKE_GPUS (2), FAKE_GPU_RESOURCE (nvidia.com/gpu).
set -euo pipefail
# shellcheck source=k8s/kind/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

count=${FAKE_GPUS:-2}
resource=${FAKE_GPU_RESOURCE:-nvidia.com/gpu}
node=$CLUSTER-control-plane
# In a JSON pointer, "/" within a key is written "~1".
key=${resource//\//~1}

kubectl patch node "$node" --subresource=status --type=json --patch "[
  {\"op\": \"add\", \"path\": \"/status/capacity/$key\", \"value\": \"$count\"},
  {\"op\": \"add\", \"path\": \"/status/allocatable/$key\", \"value\": \"$count\"}]"
kubectl label node "$node" --overwrite nvidia.com/gpu.present=true \
  nvidia.com/gpu.product=fake bertworks/fake-gpu=true

# The kubelet writes the node's status every few seconds: what remains after that is what counts.
sleep "${KIND_POLL:-10}"
template="{{index .status.allocatable \"$resource\"}}"
end=$((SECONDS + 120))
until [ "$(kubectl get node "$node" -o go-template="$template")" = "$count" ]; do
  [ "$SECONDS" -lt "$end" ] ||
    die "the node $node does not offer $count $resource after 120 s" "kubectl describe node $node"
  sleep "${KIND_POLL:-5}"
done
say "$node offers $count $resource (not real)"
