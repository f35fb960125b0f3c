#!/usr/bin/env bash
# Builds the images named, each from docker/NAME.Dockerfile, as bertworks/NAME:VERSION.
#
#   docker/build.sh pipeline serving pipeline-gpu tfx
#
# Read from the environment, all optional:
#   DOCKER      the client (docker); any engine with BuildKit: 20.10 or newer
#   BASE_IMAGE  what to start from (python:3.13-slim-trixie); docker/local-base.sh makes one
#   CA_BUNDLE   a file of CA certificates that the builds trust, and no image keeps
#   INDEX       the URL of a package index that the builds use, and no image names
set -euo pipefail
cd "$(dirname "$0")/.."

DOCKER=${DOCKER:-docker}
BASE_IMAGE=${BASE_IMAGE:-python:3.13-slim-trixie}
VERSION=$(sed -n 's/^__version__ = "\(.*\)"$/\1/p' bertworks/__init__.py)
REVISION=$(git describe --always --dirty --abbrev=40 --exclude='*' 2>/dev/null || echo unknown)
export DOCKER_BUILDKIT=1 INDEX=${INDEX:-}

fail() {
  echo "error: $1" >&2
  echo "  fix: $2" >&2
  exit 7
}

# What to do about a build that failed, from its log.
advice() {
  if grep -q 'buildx component' "$1"; then
    echo "install the buildx plugin, or name a client with BuildKit inside: make images DOCKER=/usr/bin/docker"
  elif grep -q "> .internal. load metadata for .*$BASE_IMAGE" "$1"; then
    echo "where no registry is reachable: make images-base, then make images BASE_IMAGE=bertworks/base:trixie"
  elif grep -q "> .internal. load metadata for .*bertworks/pipeline" "$1"; then
    echo "it stands on the pipeline image: make images IMAGES=\"pipeline pipeline-gpu\""
  elif grep -qi 'no space left' "$1"; then
    echo "free 25 GB where the engine keeps its images; the cache of old builds goes with: docker builder prune"
  elif grep -qi 'certificate' "$1"; then
    echo "name the certificates that this network needs: make images CA_BUNDLE=/path/to/bundle.crt ($1)"
  else
    echo "read $1"
  fi
}

[ $# -gt 0 ] || fail "no image is named." "docker/build.sh pipeline serving"
"$DOCKER" version >/dev/null 2>&1 || fail "no Docker engine answers '$DOCKER version'." \
  "start one, or name another client: make images DOCKER=/usr/bin/docker"

secrets=()
if [ -n "${CA_BUNDLE:-}" ]; then
  [ -r "$CA_BUNDLE" ] || fail "CA_BUNDLE cannot be read: $CA_BUNDLE" "name a readable file, or unset it"
  secrets+=(--secret "id=ca,src=$CA_BUNDLE")
fi
# shellcheck disable=SC2054 # the comma is the option's own
[ -z "$INDEX" ] || secrets+=(--secret id=index,env=INDEX)

for name in "$@"; do
  file=docker/$name.Dockerfile
  tag=bertworks/$name:$VERSION
  [ -f "$file" ] || fail "there is no $file." "one of: $(cd docker && echo *.Dockerfile | sed 's/\.Dockerfile//g')"
  own=()
  [[ "$name" != pipeline-gpu && "$name" != dialogue ]] || own=(--build-arg "PIPELINE_IMAGE=bertworks/pipeline:$VERSION")
  log=$(mktemp "${TMPDIR:-/tmp}/bertworks-$name.XXXXXX")
  start=$SECONDS
  echo "building $tag from $BASE_IMAGE (log: $log)"
  "$DOCKER" build --progress=plain --platform linux/amd64 -f "$file" -t "$tag" \
    --build-arg BASE_IMAGE="$BASE_IMAGE" --build-arg VERSION="$VERSION" --build-arg REVISION="$REVISION" \
    ${own[@]+"${own[@]}"} ${secrets[@]+"${secrets[@]}"} . >"$log" 2>&1 || {
    tail -n 25 "$log" >&2
    fail "$tag was not built." "$(advice "$log")"
  }
  rm -f "$log"
  "$DOCKER" image inspect --format '{{.Size}}' "$tag" |
    awk -v tag="$tag" -v s=$((SECONDS - start)) '{printf "built %s: %.0f MB, %d s\n", tag, $1 / 1e6, s}'
done
