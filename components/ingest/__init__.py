"""The ingest step: from sources to examples, corpus, rejected rows and the base encoder."""
