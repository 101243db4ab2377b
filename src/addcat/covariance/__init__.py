"""What sums of branches keep of them: second moments, what Add forgets, how well branches align."""
