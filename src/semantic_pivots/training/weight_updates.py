"""How a training step changes the weights: replicated on every process, or sharded over the processes (FSDP).

Both hold what the optimiser steps on, in float32, and give the loop the same few verbs. Steps of continued pre-training
are smaller than bfloat16 resolves, so a bfloat16 run steps on float32 masters: copies where the weights are whole, the
shards themselves where they are not.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

import torch
import torch.distributed as dist

from semantic_pivots.errors import InputError
from semantic_pivots.files import Record, complete_file
from semantic_pivots.models.device import default_device
from semantic_pivots.training.train_stage import TrainConfig

Loss = Callable[[Any, torch.Tensor, int | None], torch.Tensor]


class Weights(Protocol):
    """Interface of the weights to the training loop."""

    optimiser: torch.optim.Optimizer
    model: Any

    def loss(self, input_ids: torch.Tensor, end: int | None) -> torch.Tensor:
        """Summed loss of this process's sequences, whose gradients add up over processes."""
        ...

    def add_gradients(self) -> None:
        """Add the gradients of one micro-batch to those of the step, in float32."""
        ...

    def clip_gradients(self, clip: float) -> torch.Tensor:
        """Clip the gradient and return its norm over all processes; if it is finite, the caller steps the optimiser."""
        ...

    def copy_to_model(self) -> None:
        """After a step of the optimiser, copy its result to the model and drop the gradients."""
        ...

    def save(self, state: Path, progress: Record) -> None:
        """Write a checkpoint, complete or not at all; every process calls it, and the first one writes."""
        ...

    def restore(self, state: Path) -> Record | None:
        """Load a checkpoint and return its progress; None if there is no checkpoint."""
        ...

    def evaluate(self, measure: Callable[[Any], dict[str, float]]) -> dict[str, float]:
        """What a measure says of the model as it is; every process must call it."""
        ...

    def full_model(self) -> Any:
        """The model with its current weights, on the first process; every process must call it."""
        ...


RATE_SHARE = "rate_share"
"""Key of a group of weights: what share of the rate it learns at."""


def adamw(model: Any, weights: list[torch.Tensor], config: TrainConfig, is_fused: bool) -> torch.optim.Optimizer:
    """AdamW with decay on matrices only; input embeddings with another rate have no decay and a long memory.

    Args:
        model: the model; `weights` correspond to its trainable parameters, in their order.
        weights: the tensors that the optimiser updates.
        config: rates and decay.
        is_fused: one kernel for all weights.
    """
    table = model.get_input_embeddings().weight if config.embedding_rate != 1 else None
    trainable = [p for p in model.parameters() if p.requires_grad]
    embeddings = [w for w, p in zip(weights, trainable, strict=True) if p is table]
    other_weights = [w for w, p in zip(weights, trainable, strict=True) if p is not table]
    groups: list[dict[str, Any]] = [
        {"params": [w for w in other_weights if w.ndim > 1], "weight_decay": config.weight_decay},
        {"params": [w for w in other_weights if w.ndim <= 1], "weight_decay": 0.0},
    ]
    if embeddings:
        # a rare word's gradient comes seldom: with a short memory of its size each one would be a full step
        options = {"weight_decay": 0.0, "betas": (0.9, 0.999), RATE_SHARE: config.embedding_rate}
        groups.append({"params": embeddings, **options})
    return torch.optim.AdamW(groups, lr=config.learning_rate, betas=(0.9, 0.95), fused=is_fused)


def _write(content: Record, state: Path) -> None:
    with complete_file(state) as temporary:
        torch.save(content, temporary)


def blocks_of(model: Any, key: str) -> list[Any]:
    """The blocks that a model's class names.

    Raises:
        InputError: the class names none; the message names the key of [train] that needs them.
    """
    blocks = [m for m in model.modules() if type(m).__name__ in (model._no_split_modules or ())]
    if not blocks:
        raise InputError(f"[train] {key}: {type(model).__name__} names no blocks; set it to false")
    return blocks


def set_compiled(model: Any, is_compiled: bool) -> None:
    """Compile a model's blocks one by one (equal blocks share one program), or undo that.

    Raises:
        InputError: the model's class names no blocks.
    """
    for block in blocks_of(model, "compile_blocks"):
        if is_compiled:
            block.compile()
        else:
            block._compiled_call_impl = None


class ReplicatedWeights:
    """Every process holds all weights; gradients are summed over processes."""

    def __init__(self, model: Any, config: TrainConfig, loss: Loss, rank: int, world: int):
        self.model, self._loss, self.rank, self.world = model, loss, rank, world
        self.weights = [p for p in model.parameters() if p.requires_grad]
        self.masters = [
            p.detach().float().clone().requires_grad_() if p.dtype != torch.float32 else p for p in self.weights
        ]
        self._parameters: set[torch.Tensor] = set()
        """masters that hold a gradient of the present step"""
        self.optimiser = adamw(model, self.masters, config, is_fused=True)

    def loss(self, input_ids: torch.Tensor, end: int | None) -> torch.Tensor:
        return self._loss(self.model, input_ids, end)

    def add_gradients(self) -> None:
        sums: list[list[torch.Tensor]] = [[], []]
        copies: list[list[torch.Tensor]] = [[], []]
        for master, weight in zip(self.masters, self.weights, strict=True):
            if master is weight or weight.grad is None:
                continue
            if master.grad is None:
                master.grad = weight.grad.float()
            else:  # memory that is there already: taking it anew from the system costs more than the sum
                pair = sums if master in self._parameters else copies
                pair[0].append(master.grad)
                pair[1].append(weight.grad)
            self._parameters.add(master)
            weight.grad = None
        if sums[0]:
            torch._foreach_add_(sums[0], sums[1])
        if copies[0]:
            torch._foreach_copy_(copies[0], copies[1])

    def clip_gradients(self, clip: float) -> torch.Tensor:
        for master, weight in zip(self.masters, self.weights, strict=True):
            if master is not weight and master not in self._parameters:
                master.grad = None
            if self.world > 1:
                if master.grad is None:  # every process must take part in every sum
                    master.grad = torch.zeros_like(master)
                dist.all_reduce(master.grad)
        self._parameters.clear()
        return torch.nn.utils.clip_grad_norm_(self.masters, clip)

    @torch.no_grad()
    def copy_to_model(self) -> None:
        pairs: list[list[torch.Tensor]] = [[], []]
        for master, weight in zip(self.masters, self.weights, strict=True):
            if master is weight:
                weight.grad = None
            else:
                pairs[0].append(weight)
                pairs[1].append(master)
        if pairs[0]:
            torch._foreach_copy_(pairs[0], pairs[1])

    def save(self, state: Path, progress: Record) -> None:
        if self.rank == 0:
            masters = [m.detach() for m in self.masters]
            _write({"masters": masters, "optimiser": self.optimiser.state_dict(), **progress}, state)

    def restore(self, state: Path) -> Record | None:
        if not state.exists():
            return None
        checkpoint = torch.load(state, map_location="cpu", weights_only=True)
        with torch.no_grad():
            for master, value in zip(self.masters, checkpoint.pop("masters"), strict=True):
                master.copy_(value)
        self.optimiser.load_state_dict(checkpoint.pop("optimiser"))
        self.copy_to_model()
        return checkpoint

    def evaluate(self, measure: Callable[[Any], dict[str, float]]) -> dict[str, float]:
        return measure(self.model)

    def full_model(self) -> Any:
        return self.model


class _Root(torch.nn.Module):
    """Any function of the model as a module's forward pass, so that weights outside the blocks are gathered for it."""

    def __init__(self, model: Any):
        super().__init__()
        self.model = model

    def forward(self, function: Callable[..., Any], *inputs: Any) -> Any:
        return function(self.model, *inputs)


class ShardedWeights:
    """Weights, gradients and optimiser shared out among processes, gathered block by block (FSDP2).

    A model on the CPU moves to the accelerator a block at a time, so that no accelerator ever holds all of it.

    Raises:
        InputError: the model names no blocks to share out.
    """

    def __init__(self, model: Any, config: TrainConfig, loss: Loss, rank: int, world: int):
        from torch.distributed.device_mesh import init_device_mesh
        from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard

        blocks = blocks_of(model, "shard")
        self.rank, self.world, self.dtype = rank, world, model.dtype
        shapes = {id(p): torch.nn.Parameter(torch.empty_like(p, device="meta")) for p in model.parameters()}
        self._skeleton = copy.deepcopy(model, shapes)
        self._buffers = {name: value.clone().cpu() for name, value in model.named_buffers()}
        mesh = init_device_mesh(default_device().type, (world,))
        narrow = MixedPrecisionPolicy(param_dtype=torch.bfloat16, reduce_dtype=torch.float32)
        policy: Record = {"mp_policy": narrow} if config.dtype == "bfloat16" else {}
        for block in blocks:
            fully_shard(block, mesh=mesh, **policy)
        self.root: Any = fully_shard(_Root(model), mesh=mesh, **policy)
        self.model, self._loss = model, loss
        self.optimiser = adamw(model, [p for p in model.parameters() if p.requires_grad], config, is_fused=False)

    def loss(self, input_ids: torch.Tensor, end: int | None) -> torch.Tensor:
        # gradients are averaged over processes, and the loop needs their sum
        return self.root(self._loss, input_ids, end) * self.world

    def add_gradients(self) -> None:
        pass  # each block's gradients are reduced in float32 as its backward ends

    def clip_gradients(self, clip: float) -> torch.Tensor:
        norm: Any = torch.nn.utils.clip_grad_norm_(self.model.parameters(), clip)
        return norm.full_tensor()

    def copy_to_model(self) -> None:
        self.optimiser.zero_grad(set_to_none=True)

    def save(self, state: Path, progress: Record) -> None:
        from torch.distributed.checkpoint.state_dict import StateDictOptions, get_state_dict

        options = StateDictOptions(full_state_dict=True, cpu_offload=True)
        weights, optimiser = get_state_dict(self.model, self.optimiser, options=options)
        if self.rank == 0:
            _write({"weights": weights, "optimiser": optimiser, **progress}, state)

    def restore(self, state: Path) -> Record | None:
        from torch.distributed.checkpoint.state_dict import StateDictOptions, set_state_dict

        if not state.exists():
            return None
        checkpoint = torch.load(state, map_location="cpu", weights_only=True, mmap=True)
        set_state_dict(
            self.model,
            self.optimiser,
            model_state_dict=checkpoint.pop("weights"),
            optim_state_dict=checkpoint.pop("optimiser"),
            options=StateDictOptions(full_state_dict=True),
        )
        return checkpoint

    def evaluate(self, measure: Callable[[Any], dict[str, float]]) -> dict[str, float]:
        value = self.root(measure)
        self.root.reshard()
        return value

    def full_model(self) -> Any:
        from torch.distributed.checkpoint.state_dict import StateDictOptions, get_model_state_dict

        weights = get_model_state_dict(self.model, options=StateDictOptions(full_state_dict=True, cpu_offload=True))
        if self.rank:
            return None
        model = copy.deepcopy(self._skeleton).to_empty(device="cpu")
        model.load_state_dict(weights, strict=False)
        for name, value in self._buffers.items():
            model.get_buffer(name).copy_(value)
        model.tie_weights()
        return model.eval()
