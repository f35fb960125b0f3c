"""Every HTML view that a step or a run leaves: Python prepares what is shown, templates/ shows it.

No scripts, no external files: a page shows the same in a browser, in the Kubeflow UI and without a
network.
"""
