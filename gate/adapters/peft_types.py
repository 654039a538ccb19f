"""The types of adapter that may be loaded, and the settings that each of them may have.

Read from the configuration classes of PEFT 0.21 and kept as a table, so that what a newer PEFT adds is refused until
somebody has looked at it. Left out on purpose, besides what `NEVER` and `UNSET` list: nothing.
"""

from collections.abc import Mapping

from gate.adapters import settings as s
from gate.adapters.settings import Setting, flag_or, word

_RECORDED: dict[str, Setting] = {
    "base_model_name_or_path": s.TEXT,
    "revision": s.TEXT,
    "inference_mode": s.FLAG,
    "peft_type": s.NAME,
    "task_type": s.NAME,
    "peft_version": s.TEXT,
}
"""Of every type."""

_TARGETS: dict[str, Setting] = {"target_modules": s.TARGETS, "modules_to_save": s.NAMES, "init_weights": s.FLAG}
"""Of the types that change modules of the model: which modules."""
_EXCLUDE: dict[str, Setting] = {"exclude_modules": s.NAMES}
_LAYERS: dict[str, Setting] = {"layers_to_transform": s.LAYERS, "layers_pattern": s.NAME_OR_NAMES}
_FAN: dict[str, Setting] = {"fan_in_fan_out": s.FLAG}
_BIAS: dict[str, Setting] = {"bias": s.BIAS}
_RANK: dict[str, Setting] = {"r": s.RANK}
_LAYERED = _TARGETS | _EXCLUDE | _LAYERS
"""Which modules, which not, and in which layers."""

_LORA: dict[str, Setting] = (
    _EXCLUDE
    | _LAYERS
    | _FAN
    | _BIAS
    | _RANK
    | {
        "target_modules": s.TARGETS,
        "modules_to_save": s.NAMES,
        "lora_alpha": s.ALPHA,
        "lora_dropout": s.NUMBER,
        "use_rslora": s.FLAG,
        "use_dora": s.FLAG,
        "use_qalora": s.FLAG,
        "qalora_group_size": s.COUNT,
        "lora_bias": s.FLAG,
        "ensure_weight_tying": s.FLAG,
        "init_lora_weights": s.LORA_INIT,
        "rank_pattern": s.RANKS,
        "alpha_pattern": s.ALPHAS,
        "target_parameters": s.NAMES,
        "trainable_token_indices": s.TOKENS,
    }
)

_PROMPT: dict[str, Setting] = {
    "num_virtual_tokens": s.RANK,
    "token_dim": s.COUNT,
    "num_transformer_submodules": s.RANK,
    "num_attention_heads": s.RANK,
    "num_layers": s.RANK,
    "modules_to_save": s.NAMES,
}
"""Of the types that put learned vectors before the prompt."""

_LYCORIS: dict[str, Setting] = (
    _LAYERED
    | _RANK
    | {
        "alpha": s.ALPHA,
        "rank_pattern": s.RANKS,
        "alpha_pattern": s.ALPHAS,
        "rank_dropout": s.NUMBER,
        "module_dropout": s.NUMBER,
        "use_effective_conv2d": s.FLAG,
    }
)
_CAYLEY: dict[str, Setting] = {"use_cayley_neumann": s.FLAG, "num_cayley_neumann_terms": s.RANK}
_PROJECTED = _TARGETS | _LAYERS | _FAN | _BIAS | {"projection_prng_key": s.SEED, "save_projection": s.FLAG}

_OWN: dict[str, dict[str, Setting]] = {
    "LORA": _LORA,
    "ADALORA": _LORA | {
        "rank_pattern": s.MASKS, "target_r": s.RANK, "init_r": s.RANK, "tinit": s.COUNT, "tfinal": s.COUNT,
        "deltaT": s.COUNT, "beta1": s.NUMBER, "beta2": s.NUMBER, "orth_reg_weight": s.NUMBER, "total_step": s.COUNT,
    },
    "ADAMSS": _TARGETS | _LAYERS | _RANK | {
        "init_weights": word("orthogonal"), "num_subspaces": s.RANK, "subspace_rank": s.RANK, "use_asa": s.FLAG,
        "asa_target_subspaces": s.RANK, "init_warmup": s.COUNT, "final_warmup": s.COUNT, "mask_interval": s.COUNT,
        "asa_importance_beta": s.NUMBER, "asa_uncertainty_beta": s.NUMBER, "asa_schedule_exponent": s.NUMBER,
        "use_dynamic_rank": s.FLAG, "svd_threshold": s.NUMBER, "random_seed": s.SEED,
    },
    "ADAPTION_PROMPT": {"target_modules": s.NAME, "adapter_len": s.RANK, "adapter_layers": s.RANK},
    "BEFT": _TARGETS,
    "BOFT": _LAYERED | _FAN | _BIAS | {
        "boft_block_size": s.RANK, "boft_block_num": s.RANK,
        "boft_n_butterfly_factor": s.RANK, "boft_dropout": s.NUMBER,
    },
    "C3A": _TARGETS | _LAYERS | _BIAS | {
        "block_size": s.RANK, "block_size_pattern": s.RANKS,
        "init_weights": flag_or("gaussian", "kaiming_uniform", "xavier_uniform"),
    },
    "CARTRIDGE": _PROMPT | {"num_frozen_tokens": s.RANK},
    "CPT": _PROMPT | {
        "cpt_token_ids": s.TOKENS, "cpt_mask": s.TOKENS, "cpt_tokens_type_mask": s.TOKENS,
        "opt_weighted_loss_type": word("none", "decay"), "opt_loss_decay_factor": s.NUMBER,
        "opt_projection_epsilon": s.NUMBER, "opt_projection_format_epsilon": s.NUMBER,
    },
    "DEFT": _LAYERED | _FAN | _BIAS | _RANK | {
        "decomposition_method": word("relu", "qr"), "init_scale": s.NUMBER, "alpha": s.ALPHA, "para": s.FLAG,
        "deft_dropout": s.NUMBER,
    },
    "DELORA": _LAYERED | _BIAS | _RANK | {
        "delora_lambda": s.ALPHA, "module_dropout": s.NUMBER,
        "rank_pattern": s.RANKS, "lambda_pattern": s.ALPHAS,
    },
    "FOURIERFT": _LAYERED | _FAN | _BIAS | {
        "n_frequency": s.COUNT, "n_frequency_pattern": s.COUNTS,
        "scaling": s.ALPHA, "random_loc_seed": s.SEED,
    },
    "FROD": _PROJECTED | {
        "frod_dropout": s.NUMBER, "sparse_rate": s.NUMBER, "regularization_alpha": s.NUMBER, "progressbar": s.FLAG,
        "runtime_offload_base_weight": s.FLAG,
    },
    "GLORA": _TARGETS | _BIAS | _RANK | {
        "config_A_B": word("lora", "vector", "constant", "none"), "config_C": word("lora", "vector", "none"),
        "config_D_E": word("vector", "constant", "none"),
    },
    "GRALORA": _TARGETS | _LAYERS | _FAN | _BIAS | _RANK | {
        "hybrid_r": s.RANK, "alpha": s.ALPHA, "gralora_dropout": s.NUMBER, "gralora_k": s.RANK,
    },
    "HIRA": _LAYERED | _FAN | _RANK | {
        "hira_dropout": s.NUMBER, "init_weights": flag_or("gaussian"), "rank_pattern": s.RANKS,
    },
    "HRA": _LAYERED | _BIAS | _RANK | {"apply_GS": s.FLAG},
    "IA3": _EXCLUDE | _FAN | {
        "target_modules": s.TARGETS, "modules_to_save": s.NAMES, "feedforward_modules": s.NAMES,
        "init_ia3_weights": s.FLAG,
    },
    "LILY": _LAYERED | _RANK | {"stride_A": s.RANK, "num_B": s.RANK, "scaling": s.ALPHA},
    "LN_TUNING": _EXCLUDE | {"target_modules": s.TARGETS, "modules_to_save": s.NAMES},
    "LOHA": _LYCORIS,
    "LOKR": _LYCORIS | {
        "init_weights": flag_or("lycoris"), "decompose_both": s.FLAG, "decompose_factor": s.COUNT,
        "rank_dropout_scale": s.FLAG,
    },
    "MISS": _LAYERED | _BIAS | _RANK | {
        "init_weights": flag_or("bat", "mini"), "miss_dropout": s.NUMBER, "mini_r": s.RANK,
    },
    "OFT": _LAYERED | _FAN | _BIAS | _RANK | _CAYLEY | {
        "oft_block_size": s.RANK, "module_dropout": s.NUMBER,
        "coft": s.FLAG, "eps": s.NUMBER, "block_share": s.FLAG,
    },
    "OSF": _TARGETS | {"effective_rank": s.NUMBER, "rank_pattern": s.SHARES, "target_svd_config": s.RANKS},
    "PEANUT": _LAYERED | _RANK | {
        "depth": s.RANK, "scaling": s.ALPHA,
        "act_fn": word("relu", "gelu", "gelu_new", "gelu_pytorch_tanh", "silu", "swish", "tanh", "sigmoid", "mish",
                       "relu6", "relu2", "leaky_relu", "quick_gelu", "linear"),
    },
    "PREFIX_TUNING": _PROMPT | {
        "encoder_hidden_size": s.COUNT, "prefix_projection": s.FLAG, "init_weights": word("zero"),
    },
    "PROMPT_TUNING": _PROMPT | {"prompt_tuning_init": word("RANDOM", "SAMPLE_VOCAB")},
    "PSOFT": _LAYERED | _FAN | _RANK | _CAYLEY | {
        "psoft_alpha": s.ALPHA, "psoft_dropout": s.NUMBER, "ab_svd_init": word("psoft_init", "pissa_init"),
        "psoft_svd": word("full", "lowrank"), "psoft_svd_lowrank_niter": s.RANK, "random_seed": s.SEED,
        "psoft_orth": s.FLAG, "psoft_mag_b": s.FLAG, "psoft_mag_a": s.FLAG, "cayley_neumann_eps": s.NUMBER,
    },
    "PVERA": _PROJECTED | _RANK | {
        "pvera_dropout": s.NUMBER, "d_initial": s.NUMBER,
        "generator_seed": s.SEED,
    },
    "P_TUNING": _PROMPT | {
        "encoder_reparameterization_type": word("MLP", "LSTM"), "encoder_hidden_size": s.COUNT,
        "encoder_num_layers": s.RANK, "encoder_dropout": s.NUMBER,
    },
    "RANDLORA": _PROJECTED | _RANK | {
        "randlora_dropout": s.NUMBER, "randlora_alpha": s.ALPHA,
        "sparse": s.FLAG, "very_sparse": s.FLAG,
    },
    "ROAD": _TARGETS | {"variant": word("road_1", "road_2", "road_4"), "group_size": s.RANK},
    "SHIRA": _TARGETS | _FAN | _RANK | {"mask_type": word("random"), "random_seed": s.SEED},
    "SUPERTUNING": _TARGETS | _RANK | {
        "sparsity": s.NUMBER, "select_top": s.FLAG, "lora_alpha": s.ALPHA, "lora_dropout": s.NUMBER,
        "save_precomputed_indices": s.FLAG,
    },
    "TINYLORA": _TARGETS | _LAYERS | _FAN | _BIAS | _RANK | {
        "u": s.RANK, "weight_tying": s.NUMBER, "projection_seed": s.SEED, "save_projection": s.FLAG,
        "init_v_bound": s.NUMBER, "tinylora_dropout": s.NUMBER,
        "init_weights": flag_or("uniform", "zero"),
    },
    "TRAINABLE_TOKENS": {"target_modules": s.NAME_OR_NAMES, "init_weights": s.FLAG, "token_indices": s.TOKENS},
    "UNILORA": _TARGETS | _LAYERS | _FAN | _BIAS | _RANK | {
        "proj_seed": s.SEED, "theta_d_length": s.COUNT,
        "unilora_dropout": s.NUMBER, "init_theta_d_bound": s.NUMBER, "save_indices": s.FLAG,
    },
    "VBLORA": _EXCLUDE | _LAYERS | _FAN | _BIAS | _RANK | {
        "target_modules": s.TARGETS, "modules_to_save": s.NAMES, "num_vectors": s.COUNT,
        "vector_length": s.COUNT, "topk": s.RANK,
        "save_only_topk_weights": s.FLAG, "vblora_dropout": s.NUMBER, "init_vector_bank_bound": s.NUMBER,
        "init_logits_std": s.NUMBER,
    },
    "VERA": _PROJECTED | _RANK | {"vera_dropout": s.NUMBER, "d_initial": s.NUMBER},
    "WAVEFT": _LAYERED | _FAN | _BIAS | {
        "n_frequency": s.COUNT, "n_frequency_pattern": s.COUNTS,
        "scaling": s.ALPHA, "wavelet_family": s.NAME, "use_idwt": s.FLAG, "random_loc_seed": s.SEED,
        "proportional_parameters": s.FLAG,
    },
}  # fmt: skip

SETTINGS: Mapping[str, Mapping[str, Setting]] = {name: _RECORDED | own for name, own in _OWN.items()}
"""Type of adapter -> its settings."""

UNSET: Mapping[str, object] = {
    "auto_mapping": None,
    "megatron_config": None,
    "megatron_core": "megatron.core",
    "parent_library": None,
    "layer_replication": None,
    "loftq_config": {},
    "eva_config": None,
    "corda_config": None,
    "lora_ga_config": None,
    "velora_config": None,
    "monteclora_config": None,
    "arrow_config": None,
    "kasa_config": None,
    "use_bdlora": None,
    "alora_invocation_tokens": None,
    "runtime_config": {"ephemeral_gpu_offload": False},
    "sample_at_inference": False,
    "prompt_tuning_init_text": None,
    "prompt_tuning_init_state_dict_path": None,
    "tokenizer_name_or_path": None,
    "tokenizer_kwargs": None,
}
"""Settings that name code or files to load, multiply the model, or draw answers at random -> what they hold when
nobody has set them. PEFT writes that value; no other is accepted."""

NEVER: Mapping[str, str] = {
    "XLORA": "it loads other adapters from wherever its configuration says",
    "SHADOW": "it builds or loads a second model beside the base",
    "POLY": "it needs a task's number with every prompt",
    "MULTITASK_PROMPT_TUNING": "it needs a task's number with every prompt",
}
"""Types of PEFT that are not accepted -> why."""
