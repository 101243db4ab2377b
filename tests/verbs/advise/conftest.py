"""Fixtures of this folder's tests."""

from ladder import instant

__all__ = ["instant"]
