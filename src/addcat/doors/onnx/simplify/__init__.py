"""The same ONNX model with less in the way: constants folded, shapes read from where they come."""
