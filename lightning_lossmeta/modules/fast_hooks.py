"""What Lightning does to a module at every step, made cheap."""

from __future__ import annotations

from typing import Any

import pytorch_lightning as pl


class FastHooksModule(pl.LightningModule):
    """A LightningModule that costs short fits less.

    Lightning writes the name of each hook that it calls on the module, 44 times a step, and
    ``nn.Module`` looks each time whether that is a parameter.
    """

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "_current_fx_name":
            self.__dict__[name] = value
        else:
            super().__setattr__(name, value)
