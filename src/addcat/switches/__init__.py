"""How one merge is taken to another rung of the ladder, on graphs; `addcat.verbs.switch` is the verb."""
