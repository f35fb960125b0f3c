# The image that every step of the DAG runs in, on the CPU.
#
#   make images IMAGES=pipeline
#
# BASE_IMAGE: Debian trixie (glibc 2.41) with Python 3.13 and its venv module; requirements/image.txt
# is locked for that. Where no registry is reachable: docker/local-base.sh makes one.
# Build secrets, both optional, and in no layer: `ca`, a bundle of CA certificates; `index`, the URL
# of a package index.
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
COPY requirements/image.txt /tmp/image.txt
RUN --mount=type=secret,id=ca --mount=type=secret,id=index --mount=type=cache,target=/root/.cache \
    python3 -m venv --without-pip /opt/bertworks \
 && with-index /opt/tools/bin/uv pip install --python /opt/bertworks/bin/python --link-mode copy \
      --require-hashes --no-config --compile-bytecode --build-constraints /tmp/build.txt \
      -r /tmp/image.txt \
 && trim /opt/bertworks/lib/python3.*/site-packages

# --- code: bertworks itself, a small layer of its own ------------------------------------------
FROM tools AS code
WORKDIR /src
COPY setup.py pyproject.toml README.md ./
COPY requirements/runtime.in requirements/runtime.in
COPY bertworks bertworks
COPY components components
COPY pipelines pipelines
# The deploy step fills them in.
COPY k8s/serving k8s/serving
RUN /opt/tools/bin/python setup.py --quiet bdist_wheel --dist-dir /tmp/wheel

# --- the image ---------------------------------------------------------------------------------
FROM ${BASE_IMAGE}
COPY --from=packages /opt/bertworks /opt/bertworks
RUN groupadd --gid 10001 bertworks \
 && useradd --uid 10001 --gid 10001 --create-home --home-dir /home/bertworks bertworks \
 # Group 0 may write too: some clusters run a pod as any uid of that group.
 && chown 10001:0 /home/bertworks && chmod 0775 /home/bertworks
COPY examples /opt/bertworks/examples
RUN --mount=type=bind,from=tools,source=/opt/tools,target=/mnt \
    --mount=type=bind,from=code,source=/tmp/wheel,target=/media \
    /mnt/bin/uv pip install --python /opt/bertworks/bin/python --no-cache --link-mode copy \
      --offline --no-config --no-deps --compile-bytecode /media/*.whl

# What libraries keep for themselves goes to /tmp: the root file system may be read-only.
ENV PATH=/opt/bertworks/bin:/usr/local/bin:/usr/bin:/bin \
    HOME=/home/bertworks \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    ORT_DISABLE_TELEMETRY=1 \
    HF_HUB_DISABLE_TELEMETRY=1 \
    TF_CPP_MIN_LOG_LEVEL=2 \
    KERAS_HOME=/tmp/keras \
    XDG_CACHE_HOME=/tmp/cache \
    XDG_CONFIG_HOME=/tmp/config
USER 10001:10001
WORKDIR /home/bertworks
# Kubeflow gives each step its own command; alone the image is the command line.
CMD ["bertworks", "--help"]

ARG VERSION
ARG REVISION
LABEL org.opencontainers.image.title="bertworks/pipeline" \
      org.opencontainers.image.description="The steps of a bertworks pipeline, on the CPU." \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
