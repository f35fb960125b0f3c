"""How sure answers are: fitted on validation rows, measured on others."""
