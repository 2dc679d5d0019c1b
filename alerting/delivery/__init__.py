"""Which alerts reach a user: consent, quiet hours, budgets, and a reason for each that does not."""
