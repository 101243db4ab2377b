"""Merges: where several tensors become one, who reads the result, what it costs and how it can be switched."""

from addcat.merges.find import Branch, Merge, describe_merge, find_merges, fixed_beside, frozen_behind, is_merge

__all__ = ["Branch", "Merge", "describe_merge", "find_merges", "fixed_beside", "frozen_behind", "is_merge"]
