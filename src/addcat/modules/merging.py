"""Merges as modules. Parameters are cast to the dtype of the branches, as a mixed-precision run needs."""

from typing import Any

from addcat.errors import ShapeError
from addcat.frameworks import torch

_torch: Any = torch()
_Module: Any = _torch.nn.Module


class Concatenate(_Module):
    """Tensors side by side along one axis.

    Args:
        axis: Which; a positive one counts the batch, so 1 is the channels of images.

    Examples:
        >>> x = torch().ones(2, 3)
        >>> Concatenate(axis=1)(x, x).shape
        torch.Size([2, 6])
    """

    def __init__(self, axis: int = 1) -> None:
        super().__init__()  # pyright: ignore[reportUnknownMemberType]
        self.axis = axis

    def forward(self, *branches: Any) -> Any:
        """The tensors, joined."""
        return _torch.cat(branches, dim=self.axis)

    def extra_repr(self) -> str:
        """For `print(model)`."""
        return f"axis={self.axis}"


class Add(_Module):
    """The sum of its branches, in order; they broadcast as `+` does.

    Examples:
        >>> Add()(torch().ones(2), torch().ones(2)).tolist()
        [2.0, 2.0]
    """

    def forward(self, *branches: Any) -> Any:
        """x_1 + ... + x_k."""
        total = branches[0]
        for branch in branches[1:]:
            total = total + branch
        return total


class BranchwiseAdd(_Module):
    """Base of the rungs above Add; abstract.

    Args:
        arity: How many branches it is called with.
    """

    def __init__(self, arity: int) -> None:
        super().__init__()  # pyright: ignore[reportUnknownMemberType]
        self.arity = arity

    def branch(self, position: int, x: Any) -> Any:
        """f_i(x), of the shape and dtype of x.

        Args:
            position: Which branch, from 0.
            x: Its tensor.
        """
        raise NotImplementedError

    def forward(self, *branches: Any) -> Any:
        """f_1(x_1) + ... + f_k(x_k).

        Raises:
            ShapeError: if there are more or fewer branches, or their shapes differ.
        """
        shapes = [tuple(x.shape) for x in branches]
        if len(branches) != self.arity or any(shape != shapes[0] for shape in shapes):
            raise ShapeError(
                f"{type(self).__name__} takes {self.arity} tensors of one shape. Got {len(branches)}, of shape "
                f"{', '.join(map(str, shapes))}. Nothing is broadcast: expand them first."
            )
        total = self.branch(0, branches[0])
        for position, x in enumerate(branches[1:], 1):
            total = total + self.branch(position, x)
        return total


class ScaledAdd(BranchwiseAdd):
    """Add with one learnt scale per branch: y = Σ_i s_i x_i. The scales start at 1.

    Args:
        arity: How many branches.

    Examples:
        >>> add = ScaledAdd(2)
        >>> add(torch().ones(3), torch().ones(3)).tolist()
        [2.0, 2.0, 2.0]
    """

    def __init__(self, arity: int) -> None:
        super().__init__(arity)
        self.scale = _torch.nn.Parameter(_torch.empty(arity))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Start as Add."""
        _torch.nn.init.ones_(self.scale)

    def branch(self, position: int, x: Any) -> Any:
        """s_i x."""
        return self.scale[position].to(x.dtype) * x

    def extra_repr(self) -> str:
        """For `print(model)`."""
        return f"arity={self.arity}"


class ChannelScaledAdd(BranchwiseAdd):
    """Add with one learnt scale per branch and channel: y[c] = Σ_i s_i[c] x_i[c]. The scales start at 1.

    Args:
        arity: How many branches.
        channels: Size of the channel axis.
        axis: Which axis that is, the batch counted.

    Examples:
        >>> add = ChannelScaledAdd(2, channels=3)
        >>> add(torch().ones(1, 3, 4, 4), torch().ones(1, 3, 4, 4)).unique().tolist()
        [2.0]
    """

    def __init__(self, arity: int, channels: int, axis: int = 1) -> None:
        super().__init__(arity)
        self.channels, self.axis = channels, axis
        self.scale = _torch.nn.Parameter(_torch.empty(arity, channels))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Start as Add."""
        _torch.nn.init.ones_(self.scale)

    def branch(self, position: int, x: Any) -> Any:
        """diag(s_i) x, along the channel axis."""
        sizes = [1] * x.ndim
        sizes[self.axis] = self.channels
        return self.scale[position].to(x.dtype).view(sizes) * x

    def extra_repr(self) -> str:
        """For `print(model)`."""
        return f"arity={self.arity}, channels={self.channels}, axis={self.axis}"


class ProjectedAdd(BranchwiseAdd):
    """Add with a low-rank projection per branch: y = Σ_i (I + U_i D_i) x_i. U starts at 0, D at random.

    Args:
        arity: How many branches.
        channels: Size of the channel axis.
        rank: Of the projections.
        axis: Which axis counts channels, the batch counted.

    Examples:
        >>> add = ProjectedAdd(2, channels=3, rank=1)
        >>> add(torch().ones(1, 3, 4, 4), torch().ones(1, 3, 4, 4)).unique().tolist()
        [2.0]
    """

    def __init__(self, arity: int, channels: int, rank: int, axis: int = 1) -> None:
        super().__init__(arity)
        self.channels, self.rank, self.axis = channels, rank, axis
        self.down = _torch.nn.Parameter(_torch.empty(arity, rank, channels))
        self.up = _torch.nn.Parameter(_torch.empty(arity, channels, rank))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Start as Add."""
        _torch.nn.init.normal_(self.down, std=self.channels**-0.5)
        _torch.nn.init.zeros_(self.up)

    def branch(self, position: int, x: Any) -> Any:
        """(I + U_i D_i) x, along the channel axis."""
        last = x.movedim(self.axis, -1)
        down, up = self.down[position].to(x.dtype), self.up[position].to(x.dtype)
        return x + _torch.nn.functional.linear(_torch.nn.functional.linear(last, down), up).movedim(-1, self.axis)

    def extra_repr(self) -> str:
        """For `print(model)`."""
        return f"arity={self.arity}, channels={self.channels}, rank={self.rank}, axis={self.axis}"
