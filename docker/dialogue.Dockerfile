# The pipeline image with what learns policies of dialogues (torch, stable-baselines3), in an environment of
# its own: for the learn_policy step alone.
#
#   make images IMAGES="pipeline dialogue"
#
# PIPELINE_IMAGE: what it adds to. BASE_IMAGE, and the build secrets `ca` and `index`: see
# pipeline.Dockerfile; BASE_IMAGE must be the one that the pipeline image was built from.
ARG BASE_IMAGE=python:3.13-slim-trixie
ARG PIPELINE_IMAGE=bertworks/pipeline:0.1.0

# --- tools: the installer ---------------------------------------------------------------------
FROM ${BASE_IMAGE} AS tools
COPY docker/with-index.sh /usr/local/bin/with-index
COPY requirements/build.txt /tmp/build.txt
RUN --mount=type=secret,id=ca --mount=type=secret,id=index --mount=type=cache,target=/root/.cache \
    python3 -m venv /opt/tools \
 && with-index /opt/tools/bin/python -m pip install --quiet --require-hashes -r /tmp/build.txt

# --- learner: torch brings a large set of its own, which is pinned here and not hashed ------------
FROM tools AS learner
COPY requirements/dialogue.txt /tmp/dialogue.txt
RUN --mount=type=secret,id=ca --mount=type=secret,id=index --mount=type=cache,target=/root/.cache \
    python3 -m venv --without-pip /opt/dialogue \
 && with-index /opt/tools/bin/uv pip install --python /opt/dialogue/bin/python --link-mode copy \
      --no-config --compile-bytecode -r /tmp/dialogue.txt \
 # It runs the pipeline's own code, and none of its packages.
 && for place in /opt/dialogue/lib/python3.*/site-packages; do \
      ln -s "/opt/bertworks/lib/$(basename "$(dirname "$place")")/site-packages/bertworks" "$place/"; \
    done

# --- the image ---------------------------------------------------------------------------------
FROM ${PIPELINE_IMAGE}
COPY --from=learner /opt/dialogue /opt/dialogue
ENV BERTWORKS_LEARNER=/opt/dialogue/bin/python
USER 10001:10001

ARG VERSION
ARG REVISION
LABEL org.opencontainers.image.title="bertworks/dialogue" \
      org.opencontainers.image.description="The learn_policy step of a bertworks dialogue." \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
