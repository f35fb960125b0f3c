"""Rows of files: csv, json, jsonl, parquet, conll, lines and what annotators export."""
