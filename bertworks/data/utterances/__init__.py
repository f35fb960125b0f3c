"""Rows for understanding from masked utterances, filled from a knowledge base.

Masked utterances are real sentences, filed under dialogue acts, whose values were replaced by the names
of their slots.

setting  the file that says which acts, slots and values (`Setting`)
masked   utterances that can be used as they are filed, and why the others cannot
filling  rows with words, tags and intents; what the test rows have is kept from the others
making   all of it: what a source with `format: utterances` gives
"""
