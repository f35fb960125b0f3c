"""What a server tells of what it is asked and answers; never a client's text.

counting   Prometheus: stages, batches, confidence, labels
tallies    meters that cost little to fill
drifting   how far texts and answers have moved from those of the training
tracing    OpenTelemetry spans, where an endpoint is configured
sampling   rows that are kept to be labelled, where the spec asks for it; feedback on answers
files      the Parquet files that these are kept in
joining    how all of it takes part in a server
"""
