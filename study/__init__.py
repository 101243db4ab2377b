"""Add or concatenate, asked of many small tasks: what the tasks are, and what runs them."""
