"""The verbs: each a folder with the verb itself, its result and its page."""
