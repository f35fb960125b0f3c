"""The BERT encoder: configuration, weights in Hugging Face layout, and the Keras model."""
