# The pipeline image with the CUDA libraries that TensorFlow asks for. The driver is the node's: the
# NVIDIA container runtime mounts it. Without a GPU the image runs on the CPU.
#
#   make images IMAGES="pipeline pipeline-gpu"
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

# --- cuda: what gpu.txt has beyond image.txt, all of it NVIDIA's; no other package, so that the layer
#     stays the same, and is not pushed and pulled again, when the code changes ------------------
FROM tools AS cuda
COPY requirements/gpu.txt /tmp/gpu.txt
RUN --mount=type=secret,id=ca --mount=type=secret,id=index --mount=type=cache,target=/root/.cache \
    awk '/^[a-z]/ {wanted = /^nvidia-/} wanted' /tmp/gpu.txt >/tmp/cuda.txt \
 && python3 -m venv --without-pip /opt/cuda \
 && with-index /opt/tools/bin/uv pip install --python /opt/cuda/bin/python --link-mode copy \
      --require-hashes --no-config --no-deps --compile-bytecode -r /tmp/cuda.txt

# --- the image ---------------------------------------------------------------------------------
FROM ${PIPELINE_IMAGE}
# Into the site-packages of the steps: TensorFlow looks for the libraries beside itself.
COPY --from=cuda /opt/cuda/lib /opt/bertworks/lib
ENV NVIDIA_VISIBLE_DEVICES=all \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility
USER 10001:10001

ARG VERSION
ARG REVISION
LABEL org.opencontainers.image.title="bertworks/pipeline-gpu" \
      org.opencontainers.image.description="The steps of a bertworks pipeline, on NVIDIA GPUs." \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
