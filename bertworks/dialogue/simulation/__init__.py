"""Users who are made up: they have goals out of the knowledge base, an agenda, and are misunderstood."""
