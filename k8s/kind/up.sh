#!/usr/bin/env bash
# Makes the kind cluster, or brings it up to date: every step may be repeated.
#
#   make kind-up
#
# Settings: KIND_CLUSTER, KIND_NODE_IMAGE, KFP_VERSION, KFP_MANIFESTS (a folder, where github.com is
# not within reach), KFP_ENV, KIND_TIMEOUT (seconds), KIND_IMAGES ("pipeline serving"), KIND_BUILD=no
# (take the images that docker has).
set -euo pipefail
# shellcheck source=k8s/kind/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"
VERSION=$(sed -n 's/^__version__ = "\(.*\)"$/\1/p' "$REPOSITORY/bertworks/__init__.py")

make_cluster() {
  mkdir -p "$(dirname "$KUBECONFIG")"
  if cluster_exists; then
    say "cluster $CLUSTER is there"
    kind export kubeconfig --name "$CLUSTER" --kubeconfig "$KUBECONFIG" >/dev/null
  else
    say "making the cluster $CLUSTER (one node, Kubernetes 1.36)"
    kind create cluster --name "$CLUSTER" --config "$HERE/cluster.yaml" \
      ${KIND_NODE_IMAGE:+--image "$KIND_NODE_IMAGE"} --kubeconfig "$KUBECONFIG" --wait 300s
  fi
  chmod 600 "$KUBECONFIG"
}

load_images() {
  local images=() image
  read -ra images <<<"${KIND_IMAGES:-pipeline serving}"
  if [ "${KIND_BUILD:-yes}" = yes ]; then
    say "building the images: ${images[*]}"
    make -C "$REPOSITORY" --no-print-directory images IMAGES="${images[*]}"
  fi
  for image in "${images[@]}"; do
    docker image inspect "bertworks/$image:$VERSION" >/dev/null 2>&1 ||
      die "there is no image bertworks/$image:$VERSION" "make images IMAGES=$image"
    say "loading bertworks/$image:$VERSION into the node"
    kind load docker-image "bertworks/$image:$VERSION" --name "$CLUSTER"
  done
}

# kfp_manifests PART: the folder or address of a part of Kubeflow Pipelines' manifests.
kfp_manifests() {
  if [ -d "$KFP_MANIFESTS" ]; then
    printf '%s/%s' "$KFP_MANIFESTS" "$1"
  else
    # kustomize gives git 27 seconds unless told otherwise; the repository is large.
    printf '%s/%s?ref=%s&timeout=600s' "$KFP_MANIFESTS" "$1" "$KFP_VERSION"
  fi
}

install_kfp() {
  [ -d "$KFP_MANIFESTS" ] || command -v git >/dev/null ||
    die "git is not installed; kubectl reads Kubeflow's manifests with it" "apt-get install git"
  say "installing Kubeflow Pipelines $KFP_VERSION from $KFP_MANIFESTS"
  # On the server's side: some of the definitions are too long for the annotation of the other way.
  kubectl apply --server-side --force-conflicts -k "$(kfp_manifests cluster-scoped-resources)"
  kubectl wait --for condition=established --timeout=120s crd --all
  kubectl apply -k "$(kfp_manifests "$KFP_ENV")"
  say "waiting for Kubeflow Pipelines (up to $KIND_TIMEOUT s; 5 to 15 minutes where images are pulled)"
  wait_for_deployments
}

retry_preempted_steps() {
  local said
  said=$(kubectl -n "$NAMESPACE" patch configmap workflow-controller-configmap \
    --patch-file "$REPOSITORY/k8s/components/preemption/workflow-defaults.yaml")
  say "$said"
  case $said in
  *"no change"*) ;;
  *)
    kubectl -n "$NAMESPACE" rollout restart deployment workflow-controller
    kubectl -n "$NAMESPACE" rollout status deployment workflow-controller --timeout=300s
    ;;
  esac
}

apply_overlay() {
  say "applying k8s/overlays/kind"
  # A job's template cannot be changed: an older one goes first.
  kubectl -n "$NAMESPACE" delete job bertworks-volume-folders --ignore-not-found
  kubectl apply -k "$REPOSITORY/k8s/overlays/kind"
  kubectl -n "$NAMESPACE" wait --for=condition=complete job/bertworks-volume-folders \
    --timeout=300s || {
    explain_not_ready
    die "the volume could not be made ready" "see the pod bertworks-volume-folders above"
  }
}

need_tools
make_cluster
load_images
install_kfp
retry_preempted_steps
apply_overlay
"$HERE/fake-gpu.sh"
say ""
say "ready. For this shell:  export KUBECONFIG=$KUBECONFIG"
say "check:     .venv/bin/bertworks doctor"
say "first run: cat examples/sentiment.yaml k8s/overlays/kind/resources.yaml > sentiment-kind.yaml"
say "           .venv/bin/bertworks submit sentiment-kind.yaml --wait"
say "UI:        kubectl -n $NAMESPACE port-forward svc/ml-pipeline-ui 8081:80, then http://localhost:8081"
say "tests:     make kind-test        away with it: make kind-down"
