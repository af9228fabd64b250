"""Muon in single precision, with one batched Newton-Schulz iteration for all matrices of a shape.

torch.optim.Muon works in bfloat16, which is slow on processors without it.
"""

from collections.abc import Iterable
from typing import Any

import torch

_COEFFICIENTS = (3.4445, -4.7750, 2.0315)


def orthogonalise(update: torch.Tensor, steps: int = 5) -> torch.Tensor:
    """Return about the nearest semi-orthogonal matrices of a batch [n, rows, columns].

    Args:
        update: with at most as many rows as columns.
    """
    a, b, c = _COEFFICIENTS
    update = update / (update.norm(dim=(1, 2), keepdim=True) + 1e-7)
    for _ in range(steps):
        gram = update @ update.mT
        series = torch.baddbmm(gram, gram, gram, beta=b, alpha=c)
        update = torch.baddbmm(update, series, update, beta=a)
    return update


class Muon(torch.optim.Optimizer):  # type: ignore[misc]
    """An optimiser that orthogonalises the momentum and scales it to the size of an AdamW step."""

    def __init__(
        self,
        params: Iterable[torch.nn.Parameter],
        lr: float,
        momentum: float = 0.95,
        weight_decay: float = 0.1,
    ) -> None:
        super().__init__(params, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    @torch.no_grad()  # type: ignore[untyped-decorator]
    def step(self, closure: Any = None) -> None:
        """Take one step; every matrix must have a gradient."""
        for group in self.param_groups:
            shapes: dict[tuple[int, int], list[torch.nn.Parameter]] = {}
            for param in group["params"]:
                rows, columns = sorted(param.shape)
                shapes.setdefault((rows, columns), []).append(param)
            for params in shapes.values():
                self._step_shape(params, group)

    def _step_shape(self, params: list[torch.nn.Parameter], group: dict[str, Any]) -> None:
        updates = []  # no more rows than columns
        for param in params:
            assert param.grad is not None, "every matrix takes part in every step"
            state = self.state[param]
            if not state:
                state["momentum"] = torch.zeros_like(param)
            state["momentum"].lerp_(param.grad, 1 - group["momentum"])
            update = param.grad.lerp(state["momentum"], group["momentum"])
            updates.append(update.mT if param.shape[0] > param.shape[1] else update)
        for param, update in zip(params, orthogonalise(torch.stack(updates)), strict=True):
            update = update.mT if param.shape[0] > param.shape[1] else update
            param.mul_(1 - group["lr"] * group["weight_decay"])
            param.add_(update, alpha=-group["lr"] * 0.2 * max(param.shape) ** 0.5)
