# The image that runs the TFX pipeline: python -m pipelines.tfx.agent SPEC --root DIR
#
#   make images IMAGES=tfx
#   docker run --rm --user "$(id -u):0" -v "$PWD:/work" -w /work bertworks/tfx:VERSION \
#     python -m pipelines.tfx.agent examples/spam.yaml --root /work/.bertworks/tfx
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

# --- packages: the locked dependencies, compiled to bytecode -----------------------------------
FROM tools AS packages
# TFMA and TFDV ask for pyfarmhash, of which there is only the source. Debian's own Python has its
# headers in a package; the official Python images bring theirs.
RUN apt-get update -qq \
 && case "$(command -v python3)" in /usr/bin/*) headers=python3-dev ;; esac \
 && DEBIAN_FRONTEND=noninteractive apt-get install -qq --yes --no-install-recommends g++ $headers \
      >/dev/null
COPY requirements/tfx.txt /tmp/tfx.txt
COPY docker/trim.sh /usr/local/bin/trim
RUN --mount=type=secret,id=ca --mount=type=secret,id=index --mount=type=cache,target=/root/.cache \
    python3 -m venv --without-pip /opt/bertworks \
 && with-index /opt/tools/bin/uv pip install --python /opt/bertworks/bin/python --link-mode copy \
      --require-hashes --no-config --compile-bytecode --build-constraints /tmp/build.txt \
      -r /tmp/tfx.txt \
 && trim /opt/bertworks/lib/python3*/site-packages

# --- code: bertworks itself; its metadata name the packages of this image ----------------------
FROM tools AS code
WORKDIR /src
COPY setup.py pyproject.toml README.md ./
COPY requirements/tfx.in requirements/runtime.in
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
COPY examples /opt/bertworks/examples
# Mounted where the base has a folder already: a mount point that is made stays in the layer.
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
CMD ["python3", "-m", "pipelines.tfx.agent", "--help"]

ARG VERSION
ARG REVISION
LABEL org.opencontainers.image.title="bertworks/tfx" \
      org.opencontainers.image.description="The TFX pipeline of an agent, run by LocalDagRunner." \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
