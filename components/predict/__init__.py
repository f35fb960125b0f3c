"""Answers the rows of a file with a version of the model store."""
