"""What kept dialogues teach: what the agent should learn next, if a person says so.

failing     turns that were not understood, or that spoiled a dialogue
clustering  texts that are about the same thing, by an encoder's vectors
proposing   from these texts to proposals
proposals   what a person is asked to accept or refuse, in a file
accepting   rows of what was accepted, for the next run
"""
