"""The Keras door: `read` a Functional or Sequential model, `write` a graph as a new one."""
