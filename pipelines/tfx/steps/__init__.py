"""What stands in the boxes of the TFX DAG; `pipelines/tfx/agent.py` is the DAG itself.

The work is that of `bertworks` and of the steps in `components/`; here it is put into the forms that
TFX asks for. Every module but `lineage` and `reporting` needs tfx, or the libraries that come with it.
"""
