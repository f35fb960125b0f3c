"""Which heads and neurons go, and what makes up for them."""
