"""Training arms: in pairs, many or few, in this process or anywhere, resumable."""
