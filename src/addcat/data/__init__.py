"""The user's data, whatever they come in, as batches that can be read again and again."""

from addcat.data.dataset import Batch, Dataset, Inputs
from addcat.data.examples import Arrays, Examples
from addcat.data.files import load_data
from addcat.data.sources import as_dataset
from addcat.data.stored import materialise, split

__all__ = ["Arrays", "Batch", "Dataset", "Examples", "Inputs", "as_dataset", "load_data", "materialise", "split"]
