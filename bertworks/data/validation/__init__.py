"""Statistics, schema and text-aware checks of an examples artifact, without TensorFlow."""
