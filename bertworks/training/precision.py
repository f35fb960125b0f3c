"""Which arithmetic this machine trains fastest in, and how TensorFlow is set up for it."""

from __future__ import annotations

from bertworks.cpus import instructions
from bertworks.errors import EnvironmentFault

_BFLOAT16_FLAGS = {"avx512_bf16", "amx_bf16"}


def resolve(wanted: str) -> str:
    """Turns `auto` into "bfloat16" or "float32".

    By what the hardware says rather than by timing, so that a resumed run computes as it began:
    bfloat16 on GPUs of compute capability 8.0 and above, and on CPUs with bfloat16 products
    (measured on Zen 4 with MiniLM-L6: 1.5 times faster than float32; without them it is slower).
    """
    if wanted != "auto":
        return wanted
    import tensorflow as tf

    gpus = tf.config.list_physical_devices("GPU")
    if gpus:
        details = [tf.config.experimental.get_device_details(gpu) for gpu in gpus]
        capable = all(found.get("compute_capability", (0, 0)) >= (8, 0) for found in details)
        return "bfloat16" if capable else "float32"
    return "bfloat16" if _BFLOAT16_FLAGS & instructions() else "float32"


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
