"""The server under load, against FastAPI around transformers: `make bench-serving`."""
