"""Text to token ids and back, and the shapes that training wants: packed rows, length buckets."""
