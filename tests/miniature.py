"""A whole study in miniature: a random model, a real tokenizer, a few words, generated documents; every stage real."""

from __future__ import annotations

import json
import random
from pathlib import Path

WORDS = """concept_id\tpos\ten\tfr
dog\tnoun\tdog\tchien
cat\tnoun\tcat\tchat
house\tnoun\thouse\tmaison
tree\tnoun\ttree\tarbre
water\tnoun\twater\teau
bread\tnoun\tbread\tpain
night\tnoun\tnight\tnuit
book\tnoun\tbook\tlivre
moon\tnoun\tmoon\tlune
king\tnoun\tking\troi
milk\tnoun\tmilk\tlait
hand\tnoun\thand\tmain
salt\tnoun\tsalt\tsel
horse\tnoun\thorse\tcheval
"""
FILLER = "the of with near old good long light some many under over across until between during".split()
TOPICS = [first + second for first in "bal dor fen gim kol".split() for second in "ta vi su ro me ni".split()]
STUDY = """
[study]
name = "miniature"
languages = ["en", "fr"]
seed = 3
model = "{model}"
cache = "{folder}/cache"
workers = 2
[lexicon]
source = "{folder}/words.tsv"
held_out_share = 0.3
[benchmark]
distractors = 3
[score]
shots = 2
draws = 2
[corpus]
path = "{folder}/documents.jsonl"
shard_bytes = 20_000
[trace]
shots = 2
[causal]
shots = 2
control_sets = 5
items_per_direction = 4
[behaviour]
resamples = 50
[graph]
false_discovery_rate = 1.0
min_ratio = 0.1
least_share = 0.4
[select]
budget_tokens = 3000
held_out_documents = 4
[train]
model = "{model}"
tokens = 1024
sequence_tokens = 64
batch_sequences = 2
micro_batch_sequences = 2
checkpoint_tokens = 256
checkpoint_seconds = 0
[compare]
shots = 2
draws = 1
pool = 1
behaviours = "paper"
items_per_direction = 6
resamples = 50
"""


def write(folder: Path) -> Path:
    """Write the study's files below a folder; returns the study file."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    generator = random.Random(5)
    rows = [line.split("\t") for line in WORDS.splitlines()[1:]]
    documents = []
    for number in range(800):
        # A topic's documents hold words of the concepts that share its place in the list: topics are hubs.
        topic = generator.randrange(len(TOPICS))
        near = [rows[(topic + step) % len(rows)] for step in range(4)]
        words = generator.choices(FILLER, k=20) + [generator.choice(row[2:4]) for row in near] + [TOPICS[topic]] * 2
        generator.shuffle(words)
        documents.append({"id": f"d{number}", "text": " ".join(words), "language": generator.choice(["en", "fr"])})
    lines = "".join(json.dumps(document) + "\n" for document in documents)
    (folder / "documents.jsonl").write_text(lines, "utf-8")
    (folder / "words.tsv").write_text(WORDS, "utf-8")
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=900,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        special_tokens=["<s>", "</s>"],
        show_progress=False,
    )
    texts = [document["text"] for document in documents]
    tokenizer.train_from_iterator([*texts, WORDS, "Please translate words from English to French.\n\n"], trainer)
    model = folder / "model"
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>").save_pretrained(model)
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=tokenizer.get_vocab_size(),
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=3,
        num_attention_heads=4,
        max_position_embeddings=512,
        eos_token_id=1,
        bos_token_id=0,
    )
    LlamaForCausalLM(config).save_pretrained(model)
    study = folder / "miniature.toml"
    study.write_text(STUDY.format(folder=folder, model=model), "utf-8")
    return study
