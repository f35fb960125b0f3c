# The server of an agent: `bertworks serve`, without TensorFlow and without Kubeflow.
#
#   make images IMAGES=serving
#   docker run --read-only --tmpfs /tmp -p 8080:8080 -v BUNDLE:/bundle:ro \
#     bertworks/serving:VERSION --agent /bundle
#
# BASE_IMAGE and the build secrets `ca` and `index`: see pipeline.Dockerfile.
ARG BASE_IMAGE=python:3.13-slim-trixie

# --- tools: the installer ---------------------------------------------------------------------
FROM ${BASE_IMAGE} AS tools
COPY docker/with-index.sh /usr/local/bin/with-index
COPY requirements/build.txt /tmp/build.txt
RUN --mount=type=secret,id=ca --mount=type=secret,id=index --mount=type=cache,target=/root/.cache \
    python3 -m venv /opt/tools \
 && with-index /opt/tools/bin/python -m pip install --quiet --require-hashes -r /tmp/build.txt

# --- packages: the locked dependencies, compiled and trimmed -----------------------------------
FROM tools AS packages
COPY docker/trim.sh /usr/local/bin/trim
COPY requirements/serving.txt /tmp/serving.txt
RUN --mount=type=secret,id=ca --mount=type=secret,id=index --mount=type=cache,target=/root/.cache \
    python3 -m venv --without-pip /opt/bertworks \
 && with-index /opt/tools/bin/uv pip install --python /opt/bertworks/bin/python --link-mode copy \
      --require-hashes --no-config --compile-bytecode --build-constraints /tmp/build.txt \
      -r /tmp/serving.txt \
 && trim /opt/bertworks/lib/python3.*/site-packages

# --- code: bertworks itself; its metadata name the packages of this image ----------------------
FROM tools AS code
WORKDIR /src
COPY setup.py pyproject.toml README.md ./
COPY requirements/serving.in requirements/runtime.in
COPY bertworks bertworks
COPY components components
COPY pipelines pipelines
RUN /opt/tools/bin/python setup.py --quiet bdist_wheel --dist-dir /tmp/wheel

# --- the image ---------------------------------------------------------------------------------
FROM ${BASE_IMAGE}
COPY --from=packages /opt/bertworks /opt/bertworks
RUN groupadd --gid 10001 bertworks \
 && useradd --uid 10001 --gid 10001 --create-home --home-dir /home/bertworks bertworks \
 # Group 0 may write too: some clusters run a pod as any uid of that group.
 && chown 10001:0 /home/bertworks && chmod 0775 /home/bertworks
RUN --mount=type=bind,from=tools,source=/opt/tools,target=/mnt \
    --mount=type=bind,from=code,source=/tmp/wheel,target=/media \
    /mnt/bin/uv pip install --python /opt/bertworks/bin/python --no-cache --link-mode copy \
      --offline --no-config --no-deps --compile-bytecode /media/*.whl

# BERTWORKS_LISTEN, the port, is read by the server and by HEALTHCHECK. BERTWORKS_HOST: a server that listened
# on loopback, as it does by itself, could not be reached from outside the container. BERTWORKS_ROOT: a volume
# mounted there with the models makes `--agent NAME/VERSION` work.
ENV PATH=/opt/bertworks/bin:/usr/local/bin:/usr/bin:/bin \
    HOME=/home/bertworks \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    ORT_DISABLE_TELEMETRY=1 \
    HF_HUB_DISABLE_TELEMETRY=1 \
    XDG_CACHE_HOME=/tmp/cache \
    XDG_CONFIG_HOME=/tmp/config \
    BERTWORKS_ROOT=/bertworks \
    BERTWORKS_HOST=0.0.0.0 \
    BERTWORKS_LISTEN=8080
USER 10001:10001
WORKDIR /home/bertworks
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=10s --start-period=60s --retries=3 \
  CMD ["python3", "-m", "bertworks.serving.probe"]
ENTRYPOINT ["bertworks", "serve"]

ARG VERSION
ARG REVISION
LABEL org.opencontainers.image.title="bertworks/serving" \
      org.opencontainers.image.description="The HTTP server of a bertworks agent." \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
