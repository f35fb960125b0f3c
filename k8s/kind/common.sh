# What the scripts of the kind cluster share: settings, messages, waiting. Sourced, not run.
# shellcheck shell=bash

HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
REPOSITORY=$(cd "$HERE/../.." && pwd)
CLUSTER=${KIND_CLUSTER:-bertworks}
NAMESPACE=kubeflow
KFP_VERSION=${KFP_VERSION:-2.17.0}
# A git address, or a folder with a copy of manifests/kustomize of Kubeflow Pipelines.
KFP_MANIFESTS=${KFP_MANIFESTS:-github.com/kubeflow/pipelines/manifests/kustomize}
KFP_ENV=${KFP_ENV:-env/platform-agnostic}
# Seconds; the first start pulls about 3 GB of images.
KIND_TIMEOUT=${KIND_TIMEOUT:-1200}
# A file of its own: the contexts of your other clusters are left alone.
export KUBECONFIG=$REPOSITORY/.bertworks/kind/kubeconfig

say() { printf '%s\n' "$*"; }

# die MESSAGE FIX
die() {
  printf 'error: %s\n  fix: %s\n' "$1" "$2" >&2
  exit 1
}

need_tools() {
  command -v docker >/dev/null ||
    die "docker is not installed" "https://docs.docker.com/engine/install/ (Debian: apt-get install docker.io)"
  docker info >/dev/null 2>&1 ||
    die "docker does not answer" "start it (systemctl start docker), or join its group (usermod -aG docker $(id -un))"
  command -v kind >/dev/null ||
    die "kind is not installed" "go install sigs.k8s.io/kind@v0.32.0, or https://kind.sigs.k8s.io/docs/user/quick-start/#installation"
  command -v kubectl >/dev/null ||
    die "kubectl is not installed" "https://kubernetes.io/docs/tasks/tools/ (1.35 or later)"
}

cluster_exists() { kind get clusters 2>/dev/null | grep -qx -- "$CLUSTER"; }

# The objects of a kind that are not ready, a line each: NAME READY/WANTED.
deployments_not_ready() {
  kubectl -n "$NAMESPACE" get deployments --no-headers \
    -o custom-columns=NAME:.metadata.name,WANTED:.spec.replicas,READY:.status.readyReplicas |
    awk '{ if ($3 == "<none>") $3 = 0; if ($3 < $2) print $1 " " $3 "/" $2 }'
}

# Waits until every deployment is ready, saying what is missing whenever that changes.
wait_for_deployments() {
  local end=$((SECONDS + KIND_TIMEOUT)) missing before="-"
  while true; do
    missing=$(deployments_not_ready)
    [ -n "$missing" ] || return 0
    if [ "$missing" != "$before" ]; then
      say "  ${SECONDS}s: waiting for $(printf '%s' "$missing" | tr '\n' ',' | sed 's/,/, /g')"
      before=$missing
    fi
    if [ "$SECONDS" -ge "$end" ]; then
      explain_not_ready
      die "Kubeflow Pipelines is not ready after ${KIND_TIMEOUT} s" \
        "see the pods and events above; with slow downloads: KIND_TIMEOUT=3600 make kind-up (it goes on where it was)"
    fi
    sleep "${KIND_POLL:-10}"
  done
}

# The pods that are not ready, and what Kubernetes says of each.
explain_not_ready() {
  local pod
  say "pods that are not ready:" >&2
  kubectl -n "$NAMESPACE" get pods -o wide >&2 || true
  # Not `Running` with all containers ready, and not ended well.
  kubectl -n "$NAMESPACE" get pods --no-headers 2>/dev/null |
    awk '{ split($2, c, "/"); if ($3 != "Completed" && ($3 != "Running" || c[1] != c[2])) print $1 }' |
    head -n 8 |
    while read -r pod; do
      say "--- $pod" >&2
      kubectl -n "$NAMESPACE" get events --field-selector "involvedObject.name=$pod" \
        --sort-by=.lastTimestamp -o custom-columns=TYPE:.type,REASON:.reason,MESSAGE:.message >&2 || true
      kubectl -n "$NAMESPACE" logs "$pod" --all-containers --tail=15 >&2 2>&1 || true
    done
}
