"""Module: a layer or a whole network, with parameters, buffers and sub-modules found by name.

Here: construction, attributes, the call, train and eval, repr. The rest of the class is in
``_walk`` (iteration), ``_convert`` (``to``, ``half``, ...), ``_hooks`` and ``_state`` (state dicts).
Follows ``torch.nn.Module``. A deviation: members are ordinary entries of the instance's ``__dict__``
(see ``_registry``), so that reading one costs no ``__getattr__``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..tensor import Tensor
from ._convert import ConvertMethods
from ._hooks import Hook, HookMethods, call_with_hooks
from ._registry import BUFFER, KIND_NAMES, MODULE, PARAMETER, TRANSIENT, Registry, edits
from ._state import StateMethods
from ._walk import BUFFERS, WalkMethods
from .parameter import Buffer, Parameter


class Module(WalkMethods, ConvertMethods, HookMethods, StateMethods):
    """The base of every layer: define ``__init__`` (call ``super().__init__()`` first) and ``forward``.

    >>> import sensorium as sn
    >>> class Scale(sn.nn.Module):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.factor = sn.nn.Parameter(sn.ones(1) * 3)
    ...     def forward(self, x):
    ...         return x * self.factor
    >>> layer = Scale()
    >>> layer(sn.ones(2)), [name for name, _ in layer.named_parameters()]
    (tensor([3., 3.], grad_fn=<MulBackward0>), ['factor'])
    """

    _version: int = 1
    training: bool

    if TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any: ...

    def __init__(self) -> None:
        own = self.__dict__
        own["training"] = True
        own["_kinds"] = {}
        own["_hooks"] = {}
        own["_state_hooks"] = {}

    _hooks: dict[int, Hook]
    forward: Callable[..., Any]

    def forward(self, *input: Any) -> Any:  # type: ignore[no-redef]
        """Compute the output; every subclass defines its own."""
        raise TypeError(f"{type(self).__name__} defines no forward()")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        try:
            if self._hooks:
                return call_with_hooks(self, args, kwargs)
        except AttributeError:
            self._check_init()
            raise
        return self.forward(*args, **kwargs)

    # -- attributes ------------------------------------------------------------------------------
    def __setattr__(self, name: str, value: Any) -> None:
        edits[0] += 1
        own = self.__dict__
        kinds = own.get("_kinds")
        if kinds is None:
            self._check_init(name, value)
            return object.__setattr__(self, name, value)
        if isinstance(value, Parameter):
            self._join(name, value, PARAMETER)
        elif isinstance(value, Module):
            self._join(name, value, MODULE)
        elif name in kinds:
            self._overwrite(name, value, kinds[name])
        elif isinstance(value, Buffer):
            self._join(name, value, BUFFER if value.persistent else TRANSIENT)
        else:
            object.__setattr__(self, name, value)
        return None

    def _join(self, name: str, value: Any, kind: int) -> None:
        """Make name a member of this kind, whatever it was before."""
        edits[0] += 1
        own = self.__dict__
        if own["_kinds"].get(name) != kind:
            own["_kinds"].pop(name, None)
            own["_kinds"][name] = kind
        own[name] = value

    def _overwrite(self, name: str, value: Any, kind: int) -> None:
        """Assign to a member something that is neither a Parameter nor a Module."""
        fits = value is None or (kind in BUFFERS and isinstance(value, Tensor))
        if not fits:
            wanted = {PARAMETER: "a Parameter", MODULE: "a Module"}.get(kind, "a Tensor")
            raise TypeError(
                f"{type(self).__name__}.{name} is a {KIND_NAMES[kind]}: assign {wanted} or None, "
                f"got {type(value).__name__}"
            )
        self.__dict__[name] = value

    def __delattr__(self, name: str) -> None:
        edits[0] += 1
        object.__delattr__(self, name)
        self._kinds.pop(name, None)

    def __dir__(self) -> list[str]:
        return sorted(name for name in super().__dir__() if not name[:1].isdigit())

    def _check_init(self, name: str = "", value: Any = None) -> None:
        """Explain an attribute error that comes from a missing super().__init__()."""
        if "_kinds" in self.__dict__ or not (name == "" or isinstance(value, (Tensor, Module))):
            return
        raise AttributeError(
            f"{type(self).__name__}: call super().__init__() before "
            + (f"assigning {name!r}" if name else "using the module")
        )

    # -- members ---------------------------------------------------------------------------------
    @property
    def _parameters(self) -> Registry:
        return Registry(self.__dict__, self._kinds, (PARAMETER,))

    @property
    def _buffers(self) -> Registry:
        return Registry(self.__dict__, self._kinds, BUFFERS)

    @property
    def _modules(self) -> Registry:
        return Registry(self.__dict__, self._kinds, (MODULE,))

    @property
    def _non_persistent_buffers_set(self) -> set[str]:
        return {name for name, kind in self._kinds.items() if kind == TRANSIENT}

    def register_parameter(self, name: str, param: Parameter | None) -> None:
        """Add a parameter; None reserves the name and keeps it out of the state dict."""
        self._check_name("register_parameter", name, param, Parameter, PARAMETER)
        if param is not None and param.node is not None:
            raise ValueError(
                f"register_parameter: {name!r} was computed by {param.node.op.name}; a parameter "
                "must be a leaf"
            )
        self._join(name, param, PARAMETER)

    def register_buffer(self, name: str, tensor: Tensor | None, persistent: bool = True) -> None:
        """Add a tensor that is state but is not trained; persistent=False: not in the state dict."""
        self._check_name("register_buffer", name, tensor, Tensor, *BUFFERS)
        self._join(name, tensor, BUFFER if persistent else TRANSIENT)

    def add_module(self, name: str, module: Module | None) -> None:
        """Add a sub-module under a name that may be no identifier, such as "0"."""
        self._check_name("add_module", name, module, Module, MODULE)
        self._join(name, module, MODULE)

    def register_module(self, name: str, module: Module | None) -> None:
        """``add_module`` by its other name."""
        self.add_module(name, module)

    def _check_name(self, function: str, name: Any, value: Any, type_: type, *kinds: int) -> None:
        self._check_init()
        if not isinstance(name, str):
            raise TypeError(f"{function}: the name must be a string, got {type(name).__name__}")
        if value is not None and not isinstance(value, type_):
            raise TypeError(
                f"{function}: {name!r} must be a {type_.__name__} or None, got {type(value).__name__}"
            )
        if name == "" or "." in name:
            raise KeyError(f"{function}: a name must not be empty or contain '.', got {name!r}")
        if hasattr(self, name) and self._kinds.get(name) not in kinds:
            raise KeyError(f"{function}: {type(self).__name__} has an attribute {name!r} already")

    # -- modes -----------------------------------------------------------------------------------
    def train(self, mode: bool = True) -> Any:
        """Set training mode, here and below: batch norm uses batch statistics, dropout drops."""
        if mode not in (True, False):
            raise ValueError(f"train: mode must be True or False, got {mode!r}")
        for module in self.modules():
            module.training = mode
        return self

    def eval(self) -> Any:
        """Set evaluation mode, here and below."""
        return self.train(False)

    def requires_grad_(self, requires_grad: bool = True) -> Any:
        """Set ``requires_grad`` of every parameter."""
        for p in self.parameters():
            p.requires_grad_(requires_grad)
        return self

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Drop every parameter's gradient, or with set_to_none=False make it zero."""
        for p in self.parameters():
            if p.grad is None or set_to_none:
                p.grad = None
            else:
                p.grad = p.grad.detach().zero_()

    # -- repr ------------------------------------------------------------------------------------
    def _get_name(self) -> str:
        return type(self).__name__

    def extra_repr(self) -> str:
        """What repr shows between the brackets; a subclass says its own."""
        return ""

    def __repr__(self) -> str:
        extra = self.extra_repr().split("\n") if self.extra_repr() else []
        children = [
            f"({name}): {_indented(repr(module))}" for name, module in self._modules.items()
        ]
        lines = extra + children
        if len(extra) == 1 and not children:
            return f"{self._get_name()}({extra[0]})"
        body = "\n  ".join(lines)
        return f"{self._get_name()}(" + (f"\n  {body}\n" if lines else "") + ")"


def _indented(text: str) -> str:
    return text.replace("\n", "\n  ")
