#!/usr/bin/env bash
# Pushes built images to a registry: bertworks/NAME:VERSION as REGISTRY/bertworks/NAME:VERSION.
#
#   REGISTRY=registry.example.com/team docker/push.sh pipeline serving
#
# `docker login` comes before. DOCKER names the client.
set -euo pipefail
cd "$(dirname "$0")/.."

DOCKER=${DOCKER:-docker}
VERSION=$(sed -n 's/^__version__ = "\(.*\)"$/\1/p' bertworks/__init__.py)

fail() {
  echo "error: $1" >&2
  echo "  fix: $2" >&2
  exit 7
}

[ -n "${REGISTRY:-}" ] || fail "no registry is named." \
  "make images-push REGISTRY=registry.example.com/team"
case $REGISTRY in
  *://*) fail "REGISTRY is a URL: $REGISTRY" "leave out what stands before the host: ${REGISTRY#*://}" ;;
esac
[ $# -gt 0 ] || fail "no image is named." "docker/push.sh pipeline serving"
for name in "$@"; do # all are there, or none is pushed
  "$DOCKER" image inspect "bertworks/$name:$VERSION" >/dev/null 2>&1 ||
    fail "bertworks/$name:$VERSION is not here." "make images IMAGES=$name"
done
for name in "$@"; do
  target=${REGISTRY%/}/bertworks/$name:$VERSION
  "$DOCKER" tag "bertworks/$name:$VERSION" "$target"
  echo "pushing $target"
  "$DOCKER" push --quiet "$target" >/dev/null ||
    fail "$target was not pushed." "docker login ${REGISTRY%%/*}; then again: what arrived is not sent twice"
  # What to pin a deployment to: a digest names these bytes and no others.
  echo "pushed $("$DOCKER" image inspect --format '{{range .RepoDigests}}{{println .}}{{end}}' "$target" |
    grep -F "${target%:*}@")"
done
