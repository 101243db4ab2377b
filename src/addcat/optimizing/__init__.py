"""What `optimize` stands on: predict a rewrite's gain, measure it, search among rewrites, verify the result."""
