"""Every HTML view that a step or a run leaves, each beside its template."""
