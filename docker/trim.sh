#!/bin/sh
# Removes from installed packages what no step and no server ever reads, about 0.6 GB: C++ headers, the
# packages' own tests, and OpenVINO's plugins for Intel GPUs and NPUs (agents run on the CPU).
#
#   trim.sh SITE_PACKAGES
set -eu
cd "$1"
rm -rf tensorflow/include pyarrow/include openvino/include
rm -rf pandas/tests pyarrow/tests numpy/tests numpy/*/tests scipy/*/tests scipy/*/*/tests \
  sklearn/tests sklearn/*/tests
rm -f openvino/libs/libopenvino_intel_gpu_plugin.so openvino/libs/cache.json \
  openvino/libs/libopenvino_intel_npu_plugin.so
