"""The validate step: statistics, schema and text-aware checks of the examples."""
