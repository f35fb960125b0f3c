"""Answers for whole files: read row by row, answered in chunks, written so that a killed run goes on."""
