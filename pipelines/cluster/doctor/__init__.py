"""`bertworks doctor`: what a cluster lacks."""
