"""The model card: the one source of what a person should know of an agent before they rely on it.

facts        what is in it: types
making       from a bundle, and from what the model store has beside it
limits       the sentences that say where it is weak, derived from what was measured
markdown     as text, for a terminal or a repository
"""
