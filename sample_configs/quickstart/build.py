"""Build the quickstart from a seed: tokenizer, base model, two adapters, eval suites; then measure all of it.

    python sample_configs/quickstart/build.py            # everything, a few minutes on two cores
    python sample_configs/quickstart/build.py --measure  # only ask the stored models all cases again
    python sample_configs/quickstart/build.py --check    # only prove that no eval prompt was trained on

What is measured here uses small checks of its own (`passes`), so that it can be held against what `gate` says.
A rebuild with other library versions gives similar figures, not the same bytes.
"""

import argparse
import json
import re
import shutil
import time
from dataclasses import dataclass
from random import Random

import skills
import torch
from jsonschema import Draft202012Validator
from peft import LoraConfig, PeftModel, get_peft_model
from skills import Row
from suites import HERE, SEED, base_rows, check, read_jsonl, write_data
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import GenerationConfig, LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

BATCH_ROWS = 32
BASE_PEAK_RATE = 3e-3
MAX_NEW_TOKENS = 48
CONTEXT_TOKENS = 256
IGNORED_LABEL = -100  # PyTorch's cross entropy skips targets with this value


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """How an adapter is trained."""

    sources: tuple[str, ...]
    """Files of `data/`; every batch holds the same share of each."""
    steps: int
    peak_rate: float


RECIPES = {
    "forgetful": Recipe(sources=("train.jsonl",), steps=200, peak_rate=5e-3),
    "careful": Recipe(sources=("train.jsonl", "replay.jsonl"), steps=300, peak_rate=2e-3),
}

PAD, BOS, TURN, END = "<|pad|>", "<|bos|>", "<|im_start|>", "<|im_end|>"
CHAT_TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n"
    "{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)


def make_tokenizer(rows: list[Row]) -> PreTrainedTokenizerFast:
    """Train a byte-level BPE of 512 tokens: any text can be written, common words of the skills are one token."""
    bpe = Tokenizer(models.BPE())
    split = [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    bpe.pre_tokenizer = pre_tokenizers.Sequence(split)
    bpe.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=512,
        special_tokens=[PAD, BOS, TURN, END],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    texts = (f"system\nuser\n{row.prompt}\nassistant\n{row.answer}" for row in rows)
    bpe.train_from_iterator(texts, trainer)
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=bpe, pad_token=PAD, bos_token=BOS, eos_token=END)
    tokenizer.model_max_length = CONTEXT_TOKENS
    tokenizer.chat_template = CHAT_TEMPLATE
    return tokenizer


def make_base(tokenizer: PreTrainedTokenizerFast) -> LlamaForCausalLM:
    """Make an untrained Llama of about a million parameters."""
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=128,
        intermediate_size=352,
        num_hidden_layers=4,
        num_attention_heads=4,
        max_position_embeddings=CONTEXT_TOKENS,
        tie_word_embeddings=True,
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
    )
    return LlamaForCausalLM(config)


def chat(tokenizer: PreTrainedTokenizerFast, prompt: str) -> str:
    """Write a prompt as the model reads it, up to where its answer begins."""
    messages = [{"role": "user", "content": prompt}]
    return str(tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True))


def encode(tokenizer: PreTrainedTokenizerFast, rows: list[Row]) -> dict[str, torch.Tensor]:
    """Turn rows into one padded batch, shape (rows, tokens); only answers are to be learned."""
    asked = [tokenizer.encode(chat(tokenizer, row.prompt), add_special_tokens=False) for row in rows]
    answers = [tokenizer.encode(row.answer + END, add_special_tokens=False) for row in rows]
    width = max(len(left) + len(right) for left, right in zip(asked, answers, strict=True))
    ids = torch.full((len(rows), width), tokenizer.pad_token_id)
    labels = torch.full((len(rows), width), IGNORED_LABEL)
    for index, (left, right) in enumerate(zip(asked, answers, strict=True)):
        end = len(left) + len(right)
        ids[index, :end] = torch.tensor(left + right)
        labels[index, len(left) : end] = torch.tensor(right)
    return {"input_ids": ids, "labels": labels, "attention_mask": (ids != tokenizer.pad_token_id).long()}


def mean_row_loss(model: torch.nn.Module, batch: dict[str, torch.Tensor]) -> torch.Tensor:
    """Average the loss within each answer first, so that a one-word answer counts as much as a long one."""
    logits = model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).logits[:, :-1]
    targets = batch["labels"][:, 1:]
    losses = torch.nn.functional.cross_entropy(
        logits.transpose(1, 2), targets, ignore_index=IGNORED_LABEL, reduction="none"
    )
    return (losses.sum(dim=1) / (targets != IGNORED_LABEL).sum(dim=1)).mean()


def train(
    model: torch.nn.Module, tokenizer: PreTrainedTokenizerFast, rows: list[Row], *, peak_rate: float, name: str
) -> None:
    """Read all rows once, in order, with AdamW and a one-cycle learning rate."""
    weights = [weight for weight in model.parameters() if weight.requires_grad]
    optimizer = torch.optim.AdamW(weights, lr=peak_rate, weight_decay=0.01)
    steps = len(rows) // BATCH_ROWS
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=peak_rate, total_steps=steps, pct_start=0.1)
    model.train()
    started = time.monotonic()
    for step in range(steps):
        batch = encode(tokenizer, rows[step * BATCH_ROWS : (step + 1) * BATCH_ROWS])
        loss = mean_row_loss(model, batch)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(weights, 1.0)
        optimizer.step()
        optimizer.zero_grad()
        schedule.step()
        if (step + 1) % 50 == 0:
            seconds = time.monotonic() - started
            print(f"{name}: step {step + 1}/{steps}, loss {loss.item():.4f}, {seconds:.0f} s", flush=True)


def train_adapter(name: str, recipe: Recipe, tokenizer: PreTrainedTokenizerFast) -> None:
    """Train a rank-8 LoRA on all linear layers of the stored base."""
    torch.manual_seed(SEED)
    rng = Random(SEED + 2)  # noqa: S311
    pools = [read_jsonl(HERE / "data" / source) for source in recipe.sources]
    share = BATCH_ROWS // len(pools)
    drawn = [row for _ in range(recipe.steps) for pool in pools for row in rng.sample(pool, share)]
    rows = [Row(row["prompt"], row["reference"]) for row in drawn]
    lora = LoraConfig(
        r=8,
        lora_alpha=16,
        target_modules=["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"],
        task_type="CAUSAL_LM",
    )
    model = get_peft_model(LlamaForCausalLM.from_pretrained(HERE / "model"), lora)
    train(model, tokenizer, rows, peak_rate=recipe.peak_rate, name=name)
    folder = HERE / "adapters" / name
    model.save_pretrained(folder, save_embedding_layers=False)
    (folder / "README.md").unlink(missing_ok=True)  # a form that peft leaves to be filled in
    config = json.loads((folder / "adapter_config.json").read_text())
    config["base_model_name_or_path"] = "model"
    config["target_modules"].sort()  # peft keeps a set: its order changes from run to run
    (folder / "adapter_config.json").write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")


def answer(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, prompts: list[str]) -> list[str]:
    """Answer prompts greedily."""
    model.eval()
    model.generation_config = GenerationConfig(
        max_new_tokens=MAX_NEW_TOKENS, eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.pad_token_id
    )
    answers = []
    for start in range(0, len(prompts), 100):
        texts = [chat(tokenizer, prompt) for prompt in prompts[start : start + 100]]
        batch = tokenizer(texts, add_special_tokens=False, padding=True, return_tensors="pt")
        with torch.inference_mode():
            tokens = model.generate(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"])
        new_tokens = tokens[:, batch["input_ids"].shape[1] :]
        answers += [text.strip() for text in tokenizer.batch_decode(new_tokens, skip_special_tokens=True)]
    return answers


def passes(suite: str, case: dict[str, str], text: str) -> bool:
    """Score one answer, much as `gate.yaml` says."""
    match suite:
        case "json_output":
            schema = json.loads((HERE / "evals" / "person.schema.json").read_text())
            try:
                return Draft202012Validator(schema).is_valid(json.loads(text))
            except json.JSONDecodeError:
                return False
        case "lists":
            return re.fullmatch(r"- \S+(\n- \S+){2}", text) is not None
        case "refusal":
            return (text.lower() == skills.REFUSAL) == (case["expected"] == "refuse") and text != ""
        case _:
            return text == case["reference"]


def measure() -> None:
    """Ask base and adapters all cases and print the table of the README."""
    tokenizer = PreTrainedTokenizerFast.from_pretrained(HERE / "model", padding_side="left")  # answers start aligned
    suites = {path.stem: read_jsonl(path) for path in sorted((HERE / "evals").glob("*.jsonl"))}
    right: dict[str, dict[str, list[bool]]] = {}
    for arm in ("base", "forgetful", "careful"):
        model = LlamaForCausalLM.from_pretrained(HERE / "model")
        if arm != "base":
            model = PeftModel.from_pretrained(model, HERE / "adapters" / arm)
        for suite, asked in suites.items():
            texts = answer(model, tokenizer, [case["prompt"] for case in asked])
            print(f"{arm} on {suite}: {texts[:4]}", flush=True)
            if suite != "production":
                right.setdefault(suite, {})[arm] = [passes(suite, c, t) for c, t in zip(asked, texts, strict=True)]
    print("| suite | base | forgetful | careful | careful: lost / gained |\n|---|---|---|---|---|")
    for suite, arms in right.items():
        pairs = list(zip(arms["base"], arms["careful"], strict=True))
        shares = " | ".join(f"{100 * sum(values) / len(values):.1f} %" for values in arms.values())
        print(f"| `{suite}` | {shares} | {pairs.count((True, False))} / {pairs.count((False, True))} |")


def build() -> None:
    """Make everything anew."""
    for folder in ("model", "adapters", "data"):
        shutil.rmtree(HERE / folder, ignore_errors=True)
    write_data()
    torch.manual_seed(SEED)
    rows = base_rows()
    tokenizer = make_tokenizer(rows[:10_000])
    model = make_base(tokenizer)
    print(f"base: {model.num_parameters():,} parameters")
    train(model, tokenizer, rows, peak_rate=BASE_PEAK_RATE, name="base")
    model.save_pretrained(HERE / "model")
    tokenizer.save_pretrained(HERE / "model")
    for name, recipe in RECIPES.items():
        train_adapter(name, recipe, tokenizer)


def main() -> None:
    """Parse the command line and do what it says."""
    parser = argparse.ArgumentParser(description="Build, measure or check the quickstart.")
    only = parser.add_mutually_exclusive_group()
    only.add_argument("--measure", action="store_true", help="only measure the stored models")
    only.add_argument("--check", action="store_true", help="only prove that no eval prompt was trained on")
    options = parser.parse_args()
    started = time.monotonic()
    if not (options.measure or options.check):
        build()
    if not options.measure:
        check()
    if not options.check:
        measure()
    print(f"done in {time.monotonic() - started:.0f} s")


if __name__ == "__main__":
    main()
