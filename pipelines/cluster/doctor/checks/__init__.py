"""What `bertworks doctor` looks at; one module a subject."""
