"""Puts a trained understanding into a dialogue, and measures how it errs."""
