"""Who asked what, and which version answered: an append-only log whose lines are chained by hashes.

personal   finds personal data in a text
masking    puts a word in its place
chain      one line after another: SHA-256, and how it is verified
files      the folder: which file is written, when the next begins
log        the writer: takes what a killed one left, writes, rotates
observer   what of an answered request is kept
"""
