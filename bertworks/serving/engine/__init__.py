"""The engine: rows of many requests, for several models, computed in batches on few threads.

batches   which of the rows that wait go into the next batch
lane      what waits for one model: requests to be tokenized, rows to be computed
work      the rows of one request on their way
batcher   the threads, shared fairly by the lanes
"""
