"""Rows of files: csv, json, jsonl, parquet, arrow, conll, lines and what annotators export."""
