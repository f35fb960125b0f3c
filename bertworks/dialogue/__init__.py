"""Dialogues over several turns: what was said, what is known, what to say next, and how that is learned.

acts        what either side does in a turn, typed
knowledge   the knowledge base: read, queried, followed when it changes
state       what is known after each turn; survives a crash as JSON
hearing     acts from a trained agent's intents and slots
actions     what may be done next, and the acts that it stands for
policies    who chooses: rules of the spec, or a learned graph
matching    documents that answer what the flow does not know
answers     texts of acts, checked against the knowledge base
agent       one turn, from what was said to what is answered, with its trace
sessions    where dialogues are kept between turns
simulation  users who have goals, for measuring and for learning
learning    policies out of dialogues; the only place that knows torch
"""
