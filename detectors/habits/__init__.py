"""What a user tends to do where and when, learned from visits and payments."""
