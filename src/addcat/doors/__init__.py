"""Doors: where a framework's model becomes a graph, and a graph a model. Frameworks live here, and only here."""
