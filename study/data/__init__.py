"""Real examples as packages ship them, and generated ones whose answer is known."""

from study.data import changes
from study.data.examples import Array, Data, Source, split
from study.data.pictures import digits, photograph, textures
from study.data.series import series
from study.data.tables import table

__all__ = ["Array", "Data", "Source", "changes", "digits", "photograph", "series", "split", "table", "textures"]
