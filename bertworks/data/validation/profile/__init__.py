"""What the rows are like: lengths, words, tokens, duplicates, encodings, columns."""
