"""`apply`: a recorded switch, or optimisation of a module, made again to load its weights into."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from addcat.doors.base import door_for
from addcat.errors import OptionError, RefusedError
from addcat.graph import Refusal
from addcat.switches.apply import Setting
from addcat.switches.ladder import parse_rung
from addcat.switches.replay import replay_site
from addcat.verbs.optimize.result import OptimizeRecord
from addcat.verbs.optimize.rewrites import rewritten
from addcat.verbs.switch.result import Record
from addcat.verbs.switch.sites import require_sites


def apply(model: Any, record: "Record | Mapping[str, Any] | str | Path", *, example_inputs: Any = None) -> Any:
    """Make the architecture of a switched model, or of a PyTorch module that was optimised as it is, again.

    Args:
        model: The model that was changed, or one of the same architecture, trained or not. It is not touched. To be
            optimised again it has to be in eval mode.
        record: What `switch` or `optimize` gave, the same as a dict, or the JSON file that `-o` wrote beside weights.
        example_inputs: What a PyTorch module is called with: a tuple of arguments, or a dict of keyword arguments.

    Returns:
        A new model with the record's merges. From the weights that were switched exactly, it computes the same; else
        load those of the switched model: `made.load_state_dict(torch.load("switched.pt", weights_only=True))`.

    Raises:
        OptionError: if the record is none.
        SiteError: if the model has no such merge.
        RefusedError: if a merge cannot be changed.

    Examples:
        >>> import torch
        >>> from torch import nn
        >>> class Residual(nn.Module):
        ...     def __init__(self):
        ...         super().__init__()
        ...         self.block, self.head = nn.Linear(4, 4), nn.Linear(4, 2)
        ...     def forward(self, x):
        ...         return self.head(x + self.block(x))
        >>> from addcat import switch
        >>> x = torch.ones(1, 4)
        >>> done = switch(Residual(), {"add": "concat"}, example_inputs=(x,))
        >>> made = apply(Residual(), done.record, example_inputs=(x,))
        >>> made.load_state_dict(done.model.state_dict())
        <All keys matched successfully>
    """
    given = _as_dict(record)
    if "rewrites" in given:
        bench = door_for(model, needs="bench", example_inputs=example_inputs).bench_of(model, runtime="torch")
        return bench.write(rewritten(bench.graph, given["rewrites"]))
    changes, rules, widen, seed = _read(record, given)
    door = door_for(model, needs="write", example_inputs=example_inputs)
    graph = door.read(model)
    require_sites(graph, list(changes))
    setting = Setting(door, (), widen, seed)
    for site, rule in rules:
        outcome = replay_site(graph, site, parse_rung(changes[site]), rule, setting)
        if isinstance(outcome, Refusal):
            raise RefusedError(f"{site!r} cannot become {changes[site]}: {outcome.reason} [{outcome.code}].", [outcome])
        graph = outcome
    return door.write(graph)


def _as_dict(record: Any) -> Mapping[str, Any]:
    """A record as JSON has it; empty where it is none."""
    try:
        if isinstance(record, Record | OptimizeRecord):
            return record.to_dict()
        found: Any = json.loads(Path(record).read_text(encoding="utf-8")) if isinstance(record, str | Path) else record
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, Mapping) else {}  # pyright: ignore[reportUnknownVariableType]


def _read(record: Any, given: Mapping[str, Any]) -> tuple[dict[str, str], list[tuple[str, str]], str, int]:
    """Rungs by site, rules by site in the order done, widening and seed."""
    try:
        rules = [(str(step["site"]), str(step["rule"])) for step in given["steps"]]
        changes = {str(site): str(rung) for site, rung in given["changes"].items()}
        return {site: changes[site] for site, _ in rules}, rules, str(given["widen"]), int(given["seed"])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        shown = repr(str(record)) if isinstance(record, str | Path) else type(record).__name__
        raise OptionError(
            f"{shown} is no record of a switch. Pass what `addcat.switch` gave as .record, or the JSON file beside the "
            "switched weights."
        ) from error
