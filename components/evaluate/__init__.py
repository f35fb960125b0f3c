"""Scores a model or a bundle on the test split."""
