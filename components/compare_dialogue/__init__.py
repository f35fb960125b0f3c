"""Is there anything new for a dialogue to be made of?"""
