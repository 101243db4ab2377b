"""Every test of the layers draws the same numbers, and leaves Keras as it was."""

import keras
import pytest


@pytest.fixture(autouse=True)
def _seeded_and_tracebacks_as_they_were():
    """Keras' TestCase turns the filtering of tracebacks off for the whole process."""
    keras.utils.set_random_seed(0)
    filtered = keras.config.is_traceback_filtering_enabled()
    yield
    (keras.config.enable_traceback_filtering if filtered else keras.config.disable_traceback_filtering)()
