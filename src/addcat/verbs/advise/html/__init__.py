"""The HTML report of an advice."""
