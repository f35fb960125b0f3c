"""What is looked at before an answer goes out, as the spec's `serve.review` says.

verdict    what becomes of one answer, and why
rules      labels, confidence, expressions over the text
second     a second agent's opinion
reviewer   all of them, row by row; counts
"""
