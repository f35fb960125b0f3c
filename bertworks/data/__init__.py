"""From bytes to examples: sources, formats, rows, labels, validation."""
