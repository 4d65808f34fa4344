"""Small models from scratch, by the project's own loop: any architecture of transformers from a short configuration."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from semantic_pivots.errors import InputError, nearest
from semantic_pivots.files import Record
from semantic_pivots.statistics import seed_of
from semantic_pivots.training.train_stage import TrainConfig

if TYPE_CHECKING:
    import torch
    from _typeshed import DataclassInstance
    from transformers import PreTrainedConfig

    from semantic_pivots.models.protocols import Tokenizer

END = "</s>"


def word_tokenizer(words: Sequence[str]) -> Any:
    """A tokenizer of whole words and punctuation marks; id 0 is END, id 1 the unknown word."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    vocabulary = {word: i for i, word in enumerate([END, "<unk>", *words])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.decoder = decoders.WordPiece(prefix="", cleanup=False)
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token=END, bos_token=END, unk_token="<unk>")


ARCHITECTURES = ("llama", "gpt2", "mamba", "moe")


def config_of(architecture: str, vocabulary: int, width: int, layers: int) -> PreTrainedConfig:
    """The configuration of a small model with tied embeddings and, where it attends, 256 positions.

    Raises:
        InputError: the architecture is not one of ARCHITECTURES.
    """
    from transformers import AutoConfig

    if architecture not in ARCHITECTURES:
        hint = nearest(architecture, ARCHITECTURES)
        raise InputError(f"architecture {architecture!r}: expected one of {', '.join(ARCHITECTURES)}{hint}")
    blocks = {
        "hidden_size": width,
        "num_hidden_layers": layers,
        "num_attention_heads": 4,
        "max_position_embeddings": 256,
    }
    no_dropout = dict.fromkeys(("resid_pdrop", "embd_pdrop", "attn_pdrop"), 0.0)
    experts = {"num_local_experts": 4, "num_experts_per_tok": 2, "num_key_value_heads": 4, "sliding_window": None}
    sizes: dict[str, Record] = {
        "llama": {"model_type": "llama", "intermediate_size": 3 * width, **blocks},
        "gpt2": {
            "model_type": "gpt2",
            "n_embd": width,
            "n_layer": layers,
            "n_head": 4,
            "n_positions": 256,
            **no_dropout,
        },
        # transformers runs Mamba step by step on a CPU: this shape trains as fast as the others (7,500 tokens a second
        # on one core), the usual one of 3 blocks, 8 states and twice the width at a fifth of it
        "mamba": {
            "model_type": "mamba",
            "hidden_size": width,
            "num_hidden_layers": max(2, layers - 1),
            "state_size": 4,
            "expand": 1,
        },
        "moe": {"model_type": "mixtral", "intermediate_size": width, **experts, **blocks},
    }
    return AutoConfig.for_model(**sizes[architecture], vocab_size=vocabulary, tie_word_embeddings=True)


def fresh_model(
    architecture: str, tokenizer: Tokenizer, width: int, layers: int, seed: int, sinusoids: bool = False
) -> Any:
    """A randomly initialised causal language model with tied embeddings, float32.

    Args:
        architecture: one of ARCHITECTURES.
        tokenizer: gives the size of the vocabulary and the id of the end token.
        width: width of the residual stream.
        layers: number of blocks.
        seed: seed of the initial weights.
        sinusoids: initialise learned position embeddings as sinusoids; no effect on a model without such embeddings.

    Raises:
        InputError: the architecture is not one of ARCHITECTURES.
    """
    import torch
    from transformers import AutoModelForCausalLM

    config = config_of(architecture, len(tokenizer), width, layers)
    config.eos_token_id = config.bos_token_id = config.pad_token_id = tokenizer.eos_token_id
    torch.manual_seed(seed)
    model = AutoModelForCausalLM.from_config(config)
    if sinusoids and architecture == "gpt2":
        _start_at_sinusoids(model.transformer.wpe.weight)
    return model


def _start_at_sinusoids(positions: torch.Tensor) -> None:
    """Let learned position embeddings, (places, width), begin as sinusoids (Vaswani et al. 2017) of their own size.

    From random ones "the word before" is learned for each place apart.
    """
    import torch

    places, width = positions.shape
    rates = 10_000.0 ** (-torch.arange(0, width, 2) / width)
    angles = torch.arange(places)[:, None] * rates
    with torch.no_grad():
        size = positions.square().mean().sqrt()
        positions.copy_(torch.cat([angles.sin(), angles.cos()], 1)[:, :width] * size * 2**0.5)


def pack_texts(tokenizer: Tokenizer, texts: Sequence[str], tokens: int, length: int, seed: int) -> np.ndarray:
    """(sequences, length) int32, up to `tokens` tokens of the texts, with END between them; each pass is shuffled."""
    rows = [np.array([*ids, tokenizer.eos_token_id], np.int32) for ids in tokenizer(list(texts))["input_ids"]]
    generator = np.random.default_rng(seed_of("packed", seed))
    stream: list[np.ndarray] = []
    size = 0
    while size < tokens:
        for index in generator.permutation(len(rows)):
            stream.append(rows[index])
            size += len(rows[index])
    return np.concatenate(stream)[: tokens // length * length].reshape(-1, length)


_SAME = ("sequence_tokens", "batch_sequences", "learning_rate", "warmup_share", "weight_decay", "dtype")


def small_settings(section: DataclassInstance, tokens: int, checkpoint_tokens: int) -> TrainConfig:
    """Settings of a small model's training run for a number of tokens, from its section; batches are not divided."""
    same = {name: getattr(section, name) for name in _SAME}
    sizes = {"tokens": tokens, "checkpoint_tokens": checkpoint_tokens}
    return TrainConfig(micro_batch_sequences=same["batch_sequences"], **sizes, **same)


def train_small(model: torch.nn.Module, sequences: np.ndarray, config: TrainConfig, seed: int, state: Path) -> float:
    """Train a model in place with the project's loop; returns the last loss in nats."""
    from semantic_pivots.training.loop import train

    run = train(model, sequences, config, seed, state, lambda tokens: None)
    return float(np.mean([row["loss"] for row in run.rows[-20:]]))
