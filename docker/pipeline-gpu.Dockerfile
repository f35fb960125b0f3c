# The pipeline image with the CUDA libraries that TensorFlow asks for. The driver is the node's: the
# NVIDIA container runtime mounts it. Without a GPU the image runs on the CPU.
#
#   make images IMAGES="pipeline pipeline-gpu"
#
# BASE_IMAGE: the pipeline image. Build secrets `ca` and `index`: see pipeline.Dockerfile.
ARG BASE_IMAGE=bertworks/pipeline:0.1.0

# --- tools: the installer ---------------------------------------------------------------------
FROM ${BASE_IMAGE} AS tools
USER 0
COPY docker/with-index.sh /usr/local/bin/with-index
COPY requirements/build.txt /tmp/build.txt
# The base's own Python, not the environment of the steps, which has no pip.
RUN --mount=type=secret,id=ca --mount=type=secret,id=index --mount=type=cache,target=/root/.cache \
    PATH=/usr/local/bin:/usr/bin:/bin python3 -m venv /opt/tools \
 && with-index /opt/tools/bin/python -m pip install --quiet --require-hashes -r /tmp/build.txt

# --- the image: what gpu.txt has beyond image.txt, as one layer on top -------------------------
FROM ${BASE_IMAGE}
USER 0
RUN --mount=type=bind,from=tools,source=/opt/tools,target=/mnt \
    --mount=type=bind,from=tools,source=/usr/local/bin,target=/media \
    --mount=type=bind,source=requirements,target=/srv \
    --mount=type=secret,id=ca --mount=type=secret,id=index \
    /media/with-index /mnt/bin/uv pip install --python /opt/bertworks/bin/python --no-cache \
      --link-mode copy --require-hashes --no-config --compile-bytecode \
      --build-constraints /srv/build.txt -r /srv/gpu.txt
ENV NVIDIA_VISIBLE_DEVICES=all \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility
USER 10001:10001

ARG VERSION
ARG REVISION
LABEL org.opencontainers.image.title="bertworks/pipeline-gpu" \
      org.opencontainers.image.description="The steps of a bertworks pipeline, on NVIDIA GPUs." \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
