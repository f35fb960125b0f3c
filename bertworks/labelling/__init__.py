"""From rows that a server kept to labelled rows of a data source, by way of an annotation tool.

pool       the rows that a server kept, each once
choosing   which of them are worth an annotator's time: unsure ones, unlike each other
exporting  to CSV, Label Studio or doccano
importing  back, through ingest's own reader; annotators who do not agree are told
"""
