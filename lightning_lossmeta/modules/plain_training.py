"""Whether a module trains as ``SupervisedModule`` does, so that others may do it in its place."""

from __future__ import annotations

from collections.abc import Collection

from lightning_lossmeta.modules.supervised import SupervisedModule


def overridden_hook(
    kind: type, hooks: Collection[str] | None = None, but: Collection[str] = ()
) -> str | None:
    """The first hook or step of ``SupervisedModule`` that a class writes anew, or ``None``.

    Args:
        kind: Any class.
        hooks: Hooks to look for; by default all that ``SupervisedModule`` has. If the class is no
            ``SupervisedModule``, the first of them is returned.
        but: Hooks that may be overridden.

    >>> class Quiet(SupervisedModule):
    ...     def on_train_start(self): ...
    >>> overridden_hook(Quiet), overridden_hook(Quiet, {"training_step"})
    ('on_train_start', None)
    """
    if not issubclass(kind, SupervisedModule):
        return next(iter(hooks or ("training_step",)), None)
    for base in kind.__mro__[: kind.__mro__.index(SupervisedModule)]:
        for name, value in vars(base).items():
            if name.startswith("__") or name in but or not callable(value):
                continue
            if hasattr(SupervisedModule, name) and (hooks is None or name in hooks):
                return name
    return None
