"""Lazy layers: their input's size is not said but seen, at the first call.

Before that call the parameters are UninitializedParameters: they can be moved, cast and given to an
optimiser, not computed with. At the first call, or from a state dict, they get their shapes; the
call also makes the layer an ordinary one. Follows ``torch.nn.modules.lazy``; a lazy instance norm
called without a batch dimension takes the channels, where PyTorch takes the length.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .. import create
from ..dtypes import int64
from ..errors import OpError, ShapeError
from ..tensor import Tensor, wrap
from ._state import Plan, _fitting, _write
from .conv import (
    Conv1d,
    Conv2d,
    Conv3d,
    ConvTranspose1d,
    ConvTranspose2d,
    ConvTranspose3d,
    _check_channels,
)
from .linear import Linear
from .module import Module
from .norm import (
    BatchNorm1d,
    BatchNorm2d,
    BatchNorm3d,
    InstanceNorm1d,
    InstanceNorm2d,
    InstanceNorm3d,
)
from .parameter import UninitializedBuffer, UninitializedParameter, is_lazy


class _Loaded:
    """Writes a loaded value into a member without a shape, once the whole load is known to fit."""

    def __init__(self, module: Any, name: str) -> None:
        self.module, self.name = module, name

    def set_extra_state(self, array: Any) -> None:
        self.module.__dict__[self.name].materialize(tuple(array.shape))
        _write(self.module, self.name, array, False)


class LazyModuleMixin(Module):
    """Stands before a layer's class: ``class LazyLinear(LazyModuleMixin, Linear)``.

    At the first call ``initialize_parameters`` gets the arguments of forward and materialises the
    parameters; then the object becomes a ``cls_to_become``, if that is not None.
    """

    cls_to_become: Any = None

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)  # the layer's own, whatever they are
        self._initialize_hook = self.register_forward_pre_hook(
            self._infer_parameters, with_kwargs=True
        )

    def initialize_parameters(self, *args: Any, **kwargs: Any) -> None:
        """Materialise the parameters, seeing what forward is called with; a subclass says how."""
        raise TypeError(f"{type(self).__name__} defines no initialize_parameters()")

    def has_uninitialized_params(self) -> bool:
        """Whether any parameter or buffer of this module has no shape yet."""
        return any(map(is_lazy, [*self._parameters.values(), *self._buffers.values()]))

    def _infer_parameters(self, module: Any, args: Any, kwargs: Any = None) -> None:
        module.initialize_parameters(*args, **(kwargs or {}))
        if module.has_uninitialized_params():
            raise OpError(
                f"{type(module).__name__}: initialize_parameters() left parameters without a shape"
            )
        module._initialize_hook.remove()
        del module._initialize_hook
        if module.cls_to_become is not None:
            module.__class__ = module.cls_to_become

    def _plan_member(self, key: str, name: str, member: Tensor, plan: Plan) -> None:
        if not is_lazy(member) or key not in plan.state:
            return super()._plan_member(key, name, member, plan)
        plan.used.add(key)
        value = plan.state[key]
        if is_lazy(value):
            return None
        shape = tuple(getattr(value, "shape", ()))
        stand_in = wrap(np.broadcast_to(np.zeros((), member.dtype), shape))
        array, problem = _fitting(key, value, stand_in)
        if problem:
            plan.errors.append(problem)
        else:
            plan.extras.append((_Loaded(self, name), array))
        return None


# -- linear --------------------------------------------------------------------------------------
class LazyLinear(LazyModuleMixin, Linear):
    """A Linear whose in_features is the last size of its first input.

    >>> import sensorium as sn
    >>> layer = sn.nn.LazyLinear(2)
    >>> layer(sn.ones(5, 3)).shape, layer
    (sensorium.Size([5, 2]), Linear(in_features=3, out_features=2, bias=True))
    """

    cls_to_become = Linear

    def __init__(
        self, out_features: int, bias: bool = True, device: Any = None, dtype: Any = None
    ) -> None:
        super().__init__(0, 0, False)
        self.weight = UninitializedParameter(device=device, dtype=dtype)
        self.out_features = out_features
        if bias:
            self.bias = UninitializedParameter(device=device, dtype=dtype)

    def reset_parameters(self) -> None:
        """Draw weight and bias anew, once they have a shape."""
        if not self.has_uninitialized_params() and self.in_features != 0:
            super().reset_parameters()

    def initialize_parameters(self, input: Tensor) -> None:  # type: ignore[override]
        """Give weight and bias their shapes, and draw them."""
        if not self.has_uninitialized_params():
            self.in_features = self.weight.shape[1]
            return
        self.in_features = input.shape[-1]
        self.weight.materialize((self.out_features, self.in_features))
        if self.bias is not None:
            self.bias.materialize((self.out_features,))
        self.reset_parameters()


# -- convolution ---------------------------------------------------------------------------------
class _LazyConvNd(LazyModuleMixin):
    """What lazy convolutions share."""

    _dims: int
    transposed: bool
    groups: int
    kernel_size: tuple[int, ...]

    def _start(self, out_channels: int, bias: bool, device: Any, dtype: Any) -> None:
        _check_channels(type(self).__name__, 0, out_channels, self.groups)
        self.out_channels = out_channels
        self.weight = UninitializedParameter(device=device, dtype=dtype)
        if bias:
            self.bias = UninitializedParameter(device=device, dtype=dtype)

    def reset_parameters(self) -> None:
        """Draw weight and bias anew, once they have a shape."""
        if not self.has_uninitialized_params() and self.in_channels != 0:
            super().reset_parameters()  # type: ignore[misc]

    def initialize_parameters(self, input: Tensor, *args: Any, **kwargs: Any) -> None:
        """Give weight and bias their shapes, and draw them."""
        if not self.has_uninitialized_params():
            rows, columns = self.weight.shape[:2]
            self.in_channels = rows if self.transposed else columns * self.groups
            return
        self.in_channels = self._get_in_channels(input)
        _check_channels(type(self).__name__, self.in_channels, self.out_channels, self.groups)
        shape = (self.out_channels, self.in_channels)
        shape = shape[::-1] if self.transposed else shape
        self.weight.materialize((shape[0], shape[1] // self.groups, *self.kernel_size))
        if self.bias is not None:
            self.bias.materialize((self.out_channels,))
        self.reset_parameters()

    def _get_in_channels(self, input: Tensor) -> int:
        batched = self._get_num_spatial_dims() + 2
        if input.ndim not in (batched, batched - 1):
            raise ShapeError(
                f"{type(self).__name__}: want {batched - 1} or {batched} dimensions, "
                f"got {input.ndim} (input {tuple(input.shape)})"
            )
        return input.shape[1 if input.ndim == batched else 0]

    def _get_num_spatial_dims(self) -> int:
        return self._dims


class _LazyConv(_LazyConvNd):
    def __init__(
        self,
        out_channels: int,
        kernel_size: Any,
        stride: Any = 1,
        padding: Any = 0,
        dilation: Any = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(
            0, 0, kernel_size, stride, padding, dilation, groups, False, padding_mode
        )  # fmt: skip
        self._start(out_channels, bias, device, dtype)


class LazyConv1d(_LazyConv, Conv1d):  # type: ignore[misc]
    """A Conv1d whose in_channels is that of its first input."""

    cls_to_become = Conv1d


class LazyConv2d(_LazyConv, Conv2d):  # type: ignore[misc]
    """A Conv2d whose in_channels is that of its first input.

    >>> import sensorium as sn
    >>> layer = sn.nn.LazyConv2d(8, 3)
    >>> layer(sn.ones(1, 3, 5, 5)).shape, layer.in_channels
    (sensorium.Size([1, 8, 3, 3]), 3)
    """

    cls_to_become = Conv2d


class LazyConv3d(_LazyConv, Conv3d):  # type: ignore[misc]
    """A Conv3d whose in_channels is that of its first input."""

    cls_to_become = Conv3d


class _LazyConvTranspose(_LazyConvNd):
    def __init__(
        self,
        out_channels: int,
        kernel_size: Any,
        stride: Any = 1,
        padding: Any = 0,
        output_padding: Any = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: Any = 1,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(
            0, 0, kernel_size, stride, padding, output_padding, groups, False, dilation,
            padding_mode,
        )  # fmt: skip
        self._start(out_channels, bias, device, dtype)


class LazyConvTranspose1d(_LazyConvTranspose, ConvTranspose1d):  # type: ignore[misc]
    """A ConvTranspose1d whose in_channels is that of its first input."""

    cls_to_become = ConvTranspose1d


class LazyConvTranspose2d(_LazyConvTranspose, ConvTranspose2d):  # type: ignore[misc]
    """A ConvTranspose2d whose in_channels is that of its first input."""

    cls_to_become = ConvTranspose2d


class LazyConvTranspose3d(_LazyConvTranspose, ConvTranspose3d):  # type: ignore[misc]
    """A ConvTranspose3d whose in_channels is that of its first input."""

    cls_to_become = ConvTranspose3d


# -- normalisation -------------------------------------------------------------------------------
class _LazyNorm(LazyModuleMixin):
    """What lazy batch and instance norms share."""

    _ranks: tuple[int, ...]
    _unbatched = False

    def __init__(
        self,
        eps: float = 1e-5,
        momentum: float = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__(0, eps, momentum, False, False, bias=False)
        self.affine, self.track_running_stats = affine, track_running_stats
        make = {"device": device, "dtype": dtype}
        if affine:
            self.weight = UninitializedParameter(**make)
            if bias:
                self.bias = UninitializedParameter(**make)
        if track_running_stats:
            self.running_mean = UninitializedBuffer(**make)
            self.running_var = UninitializedBuffer(**make)
            self.num_batches_tracked = create.zeros((), dtype=int64, device=device)

    def reset_parameters(self) -> None:
        """Weight 1, bias 0, mean 0, variance 1, once they have a shape."""
        if not self.has_uninitialized_params() and self.num_features != 0:
            super().reset_parameters()  # type: ignore[misc]

    def initialize_parameters(self, input: Tensor) -> None:  # type: ignore[override]
        """Give parameters and running statistics the input's number of channels."""
        lazy = self.has_uninitialized_params()
        self._check_rank(input)
        single = self._unbatched and input.ndim == min(self._ranks)
        self.num_features = input.shape[0 if single else 1]
        if not lazy:
            return
        for member in (*self._parameters.values(), *self._buffers.values()):
            if is_lazy(member):
                member.materialize((self.num_features,))
        self.reset_parameters()


class LazyBatchNorm1d(_LazyNorm, BatchNorm1d):  # type: ignore[misc]
    """A BatchNorm1d whose num_features is the number of channels of its first input."""

    cls_to_become = BatchNorm1d


class LazyBatchNorm2d(_LazyNorm, BatchNorm2d):  # type: ignore[misc]
    """A BatchNorm2d whose num_features is the number of channels of its first input.

    >>> import sensorium as sn
    >>> layer = sn.nn.LazyBatchNorm2d()
    >>> layer(sn.ones(2, 3, 4, 4)).shape, layer.num_features
    (sensorium.Size([2, 3, 4, 4]), 3)
    """

    cls_to_become = BatchNorm2d


class LazyBatchNorm3d(_LazyNorm, BatchNorm3d):  # type: ignore[misc]
    """A BatchNorm3d whose num_features is the number of channels of its first input."""

    cls_to_become = BatchNorm3d


class LazyInstanceNorm1d(_LazyNorm, InstanceNorm1d):  # type: ignore[misc]
    """An InstanceNorm1d whose num_features is the number of channels of its first input."""

    cls_to_become, _unbatched = InstanceNorm1d, True


class LazyInstanceNorm2d(_LazyNorm, InstanceNorm2d):  # type: ignore[misc]
    """An InstanceNorm2d whose num_features is the number of channels of its first input."""

    cls_to_become, _unbatched = InstanceNorm2d, True


class LazyInstanceNorm3d(_LazyNorm, InstanceNorm3d):  # type: ignore[misc]
    """An InstanceNorm3d whose num_features is the number of channels of its first input."""

    cls_to_become, _unbatched = InstanceNorm3d, True
