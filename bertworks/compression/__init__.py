"""From a good model to a small and fast one: pruning, graph export, quantization."""
