"""What all benchmarks share: sides that take turns, results that are kept, the page made of them."""
