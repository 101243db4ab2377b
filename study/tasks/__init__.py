"""The tasks, a family a file."""

from study.task import Task
from study.tasks import bidirectional, conditioning, graph, positions, residual, siblings, skips, views

FAMILIES = {
    "residual": residual.TASKS,
    "skips": skips.TASKS,
    "siblings": siblings.TASKS,
    "views": views.TASKS,
    "positions": positions.TASKS,
    "bidirectional": bidirectional.TASKS,
    "conditioning": conditioning.TASKS,
    "graph": graph.TASKS,
}
TASKS: dict[str, Task] = {task.name: task for tasks in FAMILIES.values() for task in tasks}
