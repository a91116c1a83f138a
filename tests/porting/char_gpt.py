"""A character-level GPT and its training loop, as one writes them for PyTorch.

The tests run this file twice: as it is, and with ``torch`` read as ``sensorium``.
"""

import math

import torch
import torch.nn.functional as F
from torch import nn

TEXT = """Four score and seven years ago our fathers brought forth on this continent, a new nation,
conceived in Liberty, and dedicated to the proposition that all men are created equal.
Now we are engaged in a great civil war, testing whether that nation, or any nation so conceived and
so dedicated, can long endure. We are met on a great battle-field of that war. We have come to
dedicate a portion of that field, as a final resting place for those who here gave their lives that
that nation might live. It is altogether fitting and proper that we should do this.
But, in a larger sense, we can not dedicate -- we can not consecrate -- we can not hallow -- this
ground. The brave men, living and dead, who struggled here, have consecrated it, far above our poor
power to add or detract. The world will little note, nor long remember what we say here, but it can
never forget what they did here."""


class Characters:
    """The text as numbers, and batches of it in an order that depends on the step alone."""

    def __init__(self, text):
        self.letters = sorted(set(text))
        self.number = {letter: i for i, letter in enumerate(self.letters)}
        self.data = torch.tensor([self.number[c] for c in text], dtype=torch.long)

    def __len__(self):
        return len(self.letters)

    def decode(self, ids):
        return "".join(self.letters[i] for i in ids)

    def batch(self, step, size, length):
        """Inputs and targets (size, length) of a step."""
        room = len(self.data) - length - 1
        starts = [(step * 7919 + i * 104729) % room for i in range(size)]
        x = torch.stack([self.data[s : s + length] for s in starts])
        y = torch.stack([self.data[s + 1 : s + 1 + length] for s in starts])
        return x, y


class CausalSelfAttention(nn.Module):
    """Every place looks at itself and what came before."""

    def __init__(self, width, heads, length):
        super().__init__()
        assert width % heads == 0
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)
        mask = torch.tril(torch.ones(length, length)).view(1, 1, length, length)
        self.register_buffer("mask", mask, persistent=False)

    def forward(self, x):
        n, t, c = x.size()
        q, k, v = self.qkv(x).split(c, dim=2)
        q = q.view(n, t, self.heads, c // self.heads).transpose(1, 2)  # (n, heads, t, c / heads)
        k = k.view(n, t, self.heads, c // self.heads).transpose(1, 2)
        v = v.view(n, t, self.heads, c // self.heads).transpose(1, 2)
        scores = (q @ k.transpose(-2, -1)) * (1.0 / math.sqrt(k.size(-1)))
        scores = scores.masked_fill(self.mask[:, :, :t, :t] == 0, float("-inf"))
        y = F.softmax(scores, dim=-1) @ v
        y = y.transpose(1, 2).contiguous().view(n, t, c)
        return self.out(y)


class FusedSelfAttention(CausalSelfAttention):
    """The same by the library's own attention."""

    def forward(self, x):
        n, t, c = x.size()
        parts = self.qkv(x).view(n, t, 3, self.heads, c // self.heads).permute(2, 0, 3, 1, 4)
        q, k, v = parts.unbind(0)
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.out(y.transpose(1, 2).reshape(n, t, c))


class Block(nn.Module):
    def __init__(self, width, heads, length, attention):
        super().__init__()
        self.ln_1 = nn.LayerNorm(width)
        self.attn = attention(width, heads, length)
        self.ln_2 = nn.LayerNorm(width)
        self.mlp = nn.ModuleDict(
            {
                "wide": nn.Linear(width, 4 * width),
                "act": nn.GELU(approximate="tanh"),
                "narrow": nn.Linear(4 * width, width),
            }
        )

    def forward(self, x):
        x = x + self.attn(self.ln_1(x))
        h = self.mlp["act"](self.mlp["wide"](self.ln_2(x)))
        return x + self.mlp["narrow"](h)


class GPT(nn.Module):
    def __init__(self, letters, width=64, heads=4, layers=2, length=32):
        super().__init__()
        self.length = length
        self.token = nn.Embedding(letters, width)
        self.place = nn.Parameter(torch.zeros(1, length, width))
        kinds = [CausalSelfAttention, FusedSelfAttention]
        self.blocks = nn.Sequential(
            *[Block(width, heads, length, kinds[i % 2]) for i in range(layers)]
        )
        self.ln = nn.LayerNorm(width)
        self.head = nn.Linear(width, letters, bias=False)
        self.head.weight = self.token.weight  # tied
        self.apply(self._init)

    def _init(self, module):
        if isinstance(module, (nn.Linear, nn.Embedding)):
            torch.nn.init.normal_(module.weight, mean=0.0, std=0.02)
        if isinstance(module, nn.Linear) and module.bias is not None:
            torch.nn.init.zeros_(module.bias)

    def forward(self, ids, targets=None):
        t = ids.shape[1]
        assert t <= self.length, f"a text of {t} but the model reads {self.length}"
        x = self.token(ids) + self.place[:, :t]
        logits = self.head(self.ln(self.blocks(x)))
        if targets is None:
            return logits, None
        loss = F.cross_entropy(logits.view(-1, logits.size(-1)), targets.view(-1), ignore_index=-1)
        return logits, loss

    @torch.no_grad()
    def generate(self, ids, count):
        """count more letters, the likeliest each time."""
        self.eval()
        for _ in range(count):
            logits, _ = self(ids[:, -self.length :])
            best = torch.argmax(logits[:, -1, :], dim=-1, keepdim=True)
            ids = torch.cat((ids, best), dim=1)
        self.train()
        return ids


def parameter_groups(model, decay):
    """Matrices decay, biases and norms do not."""
    seen = [p for p in model.parameters() if p.requires_grad]
    return [
        {"params": [p for p in seen if p.dim() >= 2], "weight_decay": decay},
        {"params": [p for p in seen if p.dim() < 2], "weight_decay": 0.0},
    ]


def learning_rate(step, steps):
    """Warm up, then down a cosine."""
    if step < 5:
        return (step + 1) / 5
    return 0.1 + 0.45 * (1 + math.cos(math.pi * (step - 5) / (steps - 5)))


def build(dtype="float32"):
    text = Characters(TEXT)
    model = GPT(len(text)).to(getattr(torch, dtype))
    return text, model


def train(text, model, steps=50, size=8):
    """The losses of the steps."""
    groups = parameter_groups(model, decay=0.1)
    optimizer = torch.optim.AdamW(groups, lr=3e-3, betas=(0.9, 0.95))
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: learning_rate(step, steps))
    losses = []
    for step in range(steps):
        x, y = text.batch(step, size, model.length)
        _, loss = model(x, y)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        losses.append(loss.item())
    return losses


def speak(text, model, start="We are ", count=40):
    ids = torch.tensor([[text.number[c] for c in start]])
    return text.decode(model.generate(ids, count)[0].tolist())
