"""What a person's files hold: found out, with reasons, and written as a spec."""
