"""The transform step: examples and corpus to token ids, on Beam with tf.Transform."""
