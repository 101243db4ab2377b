"""How a torch module is trained: what the user says of it, its data as they come, and the trainer of one arm."""

from addcat.doors.torch.training.settings import Training
from addcat.doors.torch.training.trainer import TorchTrainer

__all__ = ["TorchTrainer", "Training"]
