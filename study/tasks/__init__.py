"""The tasks, a family a file."""

from study.task import Task
from study.tasks import residual

FAMILIES = {"residual": residual.TASKS}
TASKS: dict[str, Task] = {task.name: task for tasks in FAMILIES.values() for task in tasks}
