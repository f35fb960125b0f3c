"""How good a model is: metrics with intervals, slices, a floor, gates and the report."""
