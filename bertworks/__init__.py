"""The library that the steps of a bertworks pipeline are made of.

Nothing heavy is imported here on purpose: `import bertworks` is instant, and heavy libraries are
imported by the module that uses them.
"""

import os

# ONNX Runtime reports to its maker unless this is there when it is loaded, whoever loads it.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")

__version__ = "0.1.0"
