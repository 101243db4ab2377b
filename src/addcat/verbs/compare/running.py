"""The loop: trials as they end, the comparison after each, and the stop of a sequence."""

from collections.abc import Callable, Sequence
from contextlib import closing

from addcat.errors import OptionError
from addcat.trials.engine import run_trials
from addcat.trials.store import Store
from addcat.trials.trial import Key, Trial
from addcat.trials.workers import Workers
from addcat.verbs.compare.conclude import complete_pairs, conclude
from addcat.verbs.compare.prepared import Prepared
from addcat.verbs.compare.result import Comparison
from addcat.verbs.compare.settings import Settings
from addcat.verbs.compare.tuning import tuned

Progress = Callable[[Comparison, Trial], None]
"""Called after every trial with the comparison so far and that trial."""


def run(
    prepared: Prepared,
    workers: Workers,
    store: Store | None,
    progress: Progress | None,
    rates: Sequence[float] = (),
) -> Comparison:
    """Run a comparison to its end.

    Args:
        prepared: What is to run.
        workers: Where.
        store: Where trials are kept; None for nowhere.
        progress: Told after every trial.
        rates: Factors of the learning rate among which every arm is tuned first.

    Returns:
        The comparison.

    Raises:
        AddcatError: a mistake in what was asked for, a store that cannot be used, or one of another comparison.
    """
    path = "" if store is None else str(store.path)
    if store is not None:
        store.open_for(prepared.spec, prepared.settings.to_dict())
    if rates:
        prepared = tuned(prepared, rates, workers, store).prepared
        if store is not None:
            store.open_for(prepared.spec, prepared.settings.to_dict())
    settings, found = prepared.settings, dict[Key, Trial]()
    seen = 0
    with closing(run_trials(settings.keys(), prepared.execute, store=store, workers=workers)) as trials:
        for trial in trials:
            found[trial.key] = trial
            pairs = complete_pairs(settings, found)
            if progress is not None:
                progress(conclude(settings, found, store=path), trial)
            if settings.stop == "sequential" and pairs > seen and conclude(settings, found).decided:
                break
            seen = pairs
    if store is not None:
        store.close()
    return conclude(settings, found, store=path)


def stored(path: str) -> Comparison:
    """The comparison that a store holds, as far as it goes; whoever writes to it is not disturbed.

    Args:
        path: The store.

    Raises:
        OptionError: if there is no such store.
        DataError: if no comparison has begun in it.
    """
    store = Store.existing(path)
    with closing(store):
        try:
            settings = Settings.from_dict(store.settings())
        except (KeyError, TypeError) as error:
            raise OptionError(f"{path!r} was written by another version of addcat: {error}.") from None
        return conclude(settings, store.trials(), store=path)
