"""The torch door: `read` any `nn.Module` by running it once, `write` a copy with other merges, run and train either."""

from addcat.doors.torch.door import TorchDoor
from addcat.doors.torch.examples import Example

__all__ = ["Example", "TorchDoor"]
