#!/usr/bin/env bash
# Makes a base image from Debian's own packages, for a host that reaches no image registry.
#
#   docker/local-base.sh [NAME]        (default: bertworks/base:trixie)
#
# What the Dockerfiles ask of a base is what python:3.13-slim-trixie has: Debian trixie, CA
# certificates, and `python`, `python3` with the venv module on PATH. Needs root and debootstrap.
set -euo pipefail

NAME=${1:-bertworks/base:trixie}
DOCKER=${DOCKER:-docker}
SUITE=trixie
MIRROR=${DEBIAN_MIRROR:-http://deb.debian.org/debian}
PACKAGES=ca-certificates,python3,python3-venv,python-is-python3

fail() {
  echo "error: $1" >&2
  echo "  fix: $2" >&2
  exit 1
}

[ "$(id -u)" = 0 ] || fail "debootstrap needs root; this is uid $(id -u)." "sudo docker/local-base.sh"
command -v debootstrap >/dev/null || fail "debootstrap is not here." "apt-get install debootstrap"
"$DOCKER" version >/dev/null 2>&1 || fail "no Docker engine answers '$DOCKER version'." \
  "start dockerd, or name the client: make images-base DOCKER=/usr/bin/docker"

root=$(mktemp -d "${TMPDIR:-/tmp}/bertworks-base.XXXXXX")
trap 'rm -rf "$root"' EXIT
chmod 755 "$root" # it becomes the image's `/`, which every user must be able to enter

echo "base: installing Debian $SUITE into $root (about a minute)"
debootstrap --variant=minbase --include="$PACKAGES" "$SUITE" "$root" "$MIRROR" \
  >"$root.log" 2>&1 || { tail -n 20 "$root.log" >&2; fail "debootstrap failed." "read $root.log"; }
rm -f "$root.log"

# The packages' lists, manuals and logs are of no use in an image. Nor is what names this host.
rm -rf "$root"/var/lib/apt/lists/* "$root"/var/cache/apt/* "$root"/var/cache/debconf/*-old \
  "$root"/usr/share/{doc,man,info,locale}/* "$root"/var/log/*.log "$root"/debootstrap
# debootstrap copies the host's names and resolver; Docker writes its own into each container.
rm -f "$root"/etc/{hostname,resolv.conf} "$root"/etc/machine-id
echo "deb http://deb.debian.org/debian $SUITE main" >"$root"/etc/apt/sources.list

tar -C "$root" -c . | "$DOCKER" import \
  --change 'ENV PATH=/usr/local/bin:/usr/local/sbin:/usr/bin:/usr/sbin:/bin:/sbin' \
  --change 'ENV LANG=C.UTF-8' --change 'CMD ["python3"]' \
  --message "Debian $SUITE with its Python" - "$NAME" >/dev/null
echo "base: $NAME, $("$DOCKER" run --rm "$NAME" python3 --version), $(
  "$DOCKER" image inspect --format '{{.Size}}' "$NAME" | awk '{printf "%.0f MB", $1 / 1e6}')"
echo "next: make images BASE_IMAGE=$NAME"
