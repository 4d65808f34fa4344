"""Tiny random models of several families, and small real tokenizers of each kind, trained where the test runs."""

from __future__ import annotations

import functools

import torch
import transformers
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

TEXT = [
    "Please translate words from English to French.\n\nEnglish: water\nFrench: eau\n\nEnglish: dog\nFrench: chien\n\n",
    "Please translate words from Chinese to Japanese.\n\nChinese: 太阳\nJapanese: 太陽\n\nChinese: 月亮\n",
    "the sun and the moon and the stars are over the house, the tree, the river and the mountain",
    "le soleil et la lune sont au-dessus de la maison, de l'arbre, de la rivière et de la montagne",
    "太阳和月亮在房子上面 水 火 山 石 田 土",
    "太陽と月は家の上にある みず ひ やま いし",
    "солнце и луна над домом вода огонь гора камень",
]
WORDS = ["sun", "étoile", "太阳", "みずうみ", "солнце", "가족", "ภาษา", "ñandúzeiro", "שמש", "🜁🜂", "mountain", "the"]
KINDS = ("byte-level", "sentencepiece", "byte-fallback")
FAMILIES = ("gpt2", "llama", "gemma3", "opt", "bloom", "mamba", "jamba")
UNPADDED = ("mpt", "roberta", "rwkv")  # count places themselves, or have no cache that can be handed over


@functools.cache
def tokenizer(kind: str) -> transformers.PreTrainedTokenizerFast:
    """A tokenizer of one kind, small enough that words of every script take one to eight tokens and more."""
    specials = ["<s>", "</s>", "<unk>"]
    if kind == "byte-level":
        raw = Tokenizer(models.BPE())
        raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
        raw.decoder = decoders.ByteLevel()
        alphabet = pre_tokenizers.ByteLevel.alphabet()
        trainer = trainers.BpeTrainer(
            vocab_size=420, special_tokens=specials, initial_alphabet=alphabet, show_progress=False
        )
        raw.train_from_iterator(TEXT, trainer)
        raw.post_processor = processors.ByteLevel(trim_offsets=True)
        return transformers.PreTrainedTokenizerFast(tokenizer_object=raw, eos_token="</s>")
    if kind == "sentencepiece":
        raw = Tokenizer(models.Unigram())
        raw.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="never")
        raw.decoder = decoders.Metaspace(prepend_scheme="never")
        alphabet = sorted(set("".join([*TEXT, *WORDS])))
        trainer = trainers.UnigramTrainer(
            vocab_size=300,
            special_tokens=specials,
            unk_token="<unk>",
            initial_alphabet=alphabet,
            show_progress=False,
        )
        raw.train_from_iterator([*TEXT, "\n".join(["water", " the"] * 200)], trainer)
    else:
        fallback = [f"<0x{byte:02X}>" for byte in range(256)]
        raw = Tokenizer(models.BPE(byte_fallback=True, unk_token="<unk>"))
        raw.normalizer = normalizers.Replace(" ", "▁")
        raw.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
        trainer = trainers.BpeTrainer(
            vocab_size=460, special_tokens=[*specials, *fallback], limit_alphabet=80, show_progress=False
        )
        raw.train_from_iterator([part for text in TEXT for part in text.replace(" ", " ▁").split(" ")], trainer)
    raw.post_processor = processors.TemplateProcessing(
        single="<s> $A", special_tokens=[("<s>", raw.token_to_id("<s>"))]
    )
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=raw, bos_token="<s>", eos_token="</s>", unk_token="<unk>"
    )


@functools.cache
def model(family: str, vocabulary: int = 640) -> transformers.PreTrainedModel:
    """A random model of two layers; logits are spread as widely as those of a trained one."""
    torch.manual_seed(7)
    common = {"vocab_size": vocabulary, "bos_token_id": 0, "eos_token_id": 1}
    wide = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4}
    configs = {
        "gpt2": lambda: transformers.GPT2Config(n_embd=32, n_layer=2, n_head=4, n_positions=512, **common),
        "llama": lambda: transformers.LlamaConfig(
            intermediate_size=64, num_key_value_heads=2, max_position_embeddings=512, **wide, **common
        ),
        "gemma3": lambda: transformers.Gemma3TextConfig(
            intermediate_size=64,
            num_key_value_heads=1,
            head_dim=16,
            # shorter than the prompts: the prefix must outlive the window
            sliding_window=24,
            layer_types=["sliding_attention", "full_attention"],
            final_logit_softcapping=20.0,
            **wide,
            **common,
        ),
        "opt": lambda: transformers.OPTConfig(
            ffn_dim=64, word_embed_proj_dim=24, max_position_embeddings=512, pad_token_id=2, **wide, **common
        ),
        # states of a recurrence, alone and beside keys and values
        "mamba": lambda: transformers.MambaConfig(hidden_size=32, num_hidden_layers=2, state_size=4, **common),
        "jamba": lambda: transformers.JambaConfig(
            intermediate_size=64,
            num_key_value_heads=2,
            attn_layer_offset=1,
            attn_layer_period=2,
            num_experts=2,
            mamba_d_state=4,
            mamba_dt_rank=4,
            use_mamba_kernels=False,
            **wide,
            **common,
        ),
        # scales its embeddings in place
        "ctrl": lambda: transformers.CTRLConfig(n_embd=32, n_layer=2, n_head=4, dff=64, n_positions=512, **common),
        # asserts that a mask has the tokens' shape
        "xlm": lambda: transformers.XLMConfig(
            emb_dim=32, n_layers=2, n_heads=4, causal=True, use_lang_emb=False, **common
        ),
        "mpt": lambda: transformers.MptConfig(d_model=32, n_heads=4, n_layers=2, max_seq_len=512, **common),
        "roberta": lambda: transformers.RobertaConfig(
            intermediate_size=64, max_position_embeddings=512, is_decoder=True, pad_token_id=2, **wide, **common
        ),
        "rwkv": lambda: transformers.RwkvConfig(
            hidden_size=32, num_hidden_layers=2, attention_hidden_size=32, context_length=512, **common
        ),
        "bloom": lambda: transformers.BloomConfig(hidden_size=32, n_layer=2, n_head=4, **common),
    }
    made = transformers.AutoModelForCausalLM.from_config(configs[family]()).eval()
    with torch.no_grad():
        for parameter in made.parameters():
            if parameter.dim() > 1:
                # Mamba's four weights multiply each other: float32 and float64 would differ by 1e-4 nats at 4.0
                parameter.mul_(2.0 if family == "mamba" else 4.0)
    return made
