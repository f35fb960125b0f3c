"""Which arithmetic this machine trains fastest in, and how TensorFlow is set up for it."""

from __future__ import annotations

from collections.abc import Collection

from bertworks.cpus import instructions, vendor
from bertworks.errors import EnvironmentFault

_TILES, _VECTORS = "amx_bf16", "avx512_bf16"


def resolve(wanted: str) -> str:
    """Turns `auto` into "bfloat16" or "float32".

    By what the hardware says rather than by timing, so that a resumed run computes as it began:
    bfloat16 on GPUs of compute capability 8.0 and above, on CPUs with bfloat16 tiles, and on AMD's with
    bfloat16 vectors (measured on Zen 4 with MiniLM-L6: 1.5 times faster than float32; without them it is
    slower). Intel's have those vectors too, but at half the rate of float32's: measured on a Xeon of the
    fourth generation whose tiles were hidden from the machine, 82 GFLOP for each second of CPU time in
    bfloat16, 142 in float32.
    """
    if wanted != "auto":
        return wanted
    import tensorflow as tf

    gpus = tf.config.list_physical_devices("GPU")
    if gpus:
        details = [tf.config.experimental.get_device_details(gpu) for gpu in gpus]
        capable = all(found.get("compute_capability", (0, 0)) >= (8, 0) for found in details)
        return "bfloat16" if capable else "float32"
    return "bfloat16" if _multiplies_faster(instructions(), vendor()) else "float32"


def _multiplies_faster(flags: Collection[str], maker: str) -> bool:
    """Whether a CPU's matrix products are faster in bfloat16 than in float32."""
    return _TILES in flags or (_VECTORS in flags and maker == "AuthenticAMD")


def prepare_devices() -> None:
    """Lets TensorFlow take GPU memory as it needs it, not all at once, and add in a fixed order.

    Without the latter a GPU adds up gradients as they come, and a resumed run ends with other bytes than
    one that was not disturbed. On an H100 it cost no speed that could be told from noise.
    """
    import tensorflow as tf

    gpus = tf.config.list_physical_devices("GPU")
    if gpus:
        tf.config.experimental.enable_op_determinism()
    for gpu in gpus:
        try:
            tf.config.experimental.set_memory_growth(gpu, True)
        except RuntimeError as error:
            raise EnvironmentFault(
                f"The GPU was set up before training began: {error}.",
                "Run each step in a process of its own.",
            ) from None
