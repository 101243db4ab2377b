"""What can be measured about a merge: one method a file, the cheapest first."""
