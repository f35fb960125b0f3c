"""The quantize step: from a model to a small and fast bundle."""
