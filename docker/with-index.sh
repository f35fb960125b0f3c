#!/bin/sh
# Runs a command with the build's secrets, if there are any: /run/secrets/ca, a bundle of CA
# certificates, and /run/secrets/index, the URL of a package index. Nothing is written.
set -eu
if [ -s /run/secrets/ca ]; then
  export SSL_CERT_FILE=/run/secrets/ca PIP_CERT=/run/secrets/ca
fi
if [ -s /run/secrets/index ]; then
  PIP_INDEX_URL=$(cat /run/secrets/index)
  export PIP_INDEX_URL UV_DEFAULT_INDEX="$PIP_INDEX_URL"
fi
exec "$@"
