# The tfx image with pytest, for `make tfx-test`, which mounts the checkout over it.
#
# BASE_IMAGE: the tfx image. Build secrets `ca` and `index`: see pipeline.Dockerfile.
ARG BASE_IMAGE=bertworks/tfx:0.1.0

# --- tools: the installer ---------------------------------------------------------------------
FROM ${BASE_IMAGE} AS tools
USER 0
COPY docker/with-index.sh /usr/local/bin/with-index
COPY requirements/build.txt /tmp/build.txt
# The base's own Python, not the environment of the steps, which has no pip.
RUN --mount=type=secret,id=ca --mount=type=secret,id=index --mount=type=cache,target=/root/.cache \
    PATH=/usr/local/bin:/usr/bin:/bin python3 -m venv /opt/tools \
 && with-index /opt/tools/bin/python -m pip install --quiet --require-hashes -r /tmp/build.txt

# --- the image: what tfx-test.txt has beyond tfx.txt, as one layer on top ----------------------
FROM ${BASE_IMAGE}
USER 0
RUN --mount=type=bind,from=tools,source=/opt/tools,target=/mnt \
    --mount=type=bind,from=tools,source=/usr/local/bin,target=/media \
    --mount=type=bind,source=requirements,target=/srv \
    --mount=type=secret,id=ca --mount=type=secret,id=index \
    /media/with-index /mnt/bin/uv pip install --python /opt/bertworks/bin/python --no-cache \
      --link-mode copy --require-hashes --no-config --compile-bytecode -r /srv/tfx-test.txt
USER 10001:10001
WORKDIR /checkout
CMD ["python3", "-m", "pytest", "tests/tfx"]

ARG VERSION
ARG REVISION
LABEL org.opencontainers.image.title="bertworks/tfx-tests" \
      org.opencontainers.image.description="The tfx image with pytest." \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
