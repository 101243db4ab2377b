"""The tasks, a family a file."""

from study.task import Task
from study.tasks import conditioning, residual, siblings, skips

FAMILIES = {
    "residual": residual.TASKS,
    "skips": skips.TASKS,
    "siblings": siblings.TASKS,
    "conditioning": conditioning.TASKS,
}
TASKS: dict[str, Task] = {task.name: task for tasks in FAMILIES.values() for task in tasks}
