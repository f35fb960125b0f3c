"""The rules that a model must meet to go on, judged with their noise."""
