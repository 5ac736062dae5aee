"""Modules and optimisers to one safetensors file and back: never a pickle.

An optimiser's state is nested; it is flattened to ``name/state/<parameter>/<field>`` tensors, its hyperparameters go to
the file's metadata as JSON.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save as as_bytes
from torch import Tensor, nn
from torch.optim import Optimizer

Stateful = nn.Module | Optimizer | Tensor


def save(path: Path, parts: Mapping[str, Stateful], **facts: Any) -> None:
    """Writes all parts and JSON-able facts; the file appears complete or not at all."""
    tensors: dict[str, Tensor] = {}
    meta: dict[str, str] = {"facts": json.dumps(facts, sort_keys=True)}
    for name, part in parts.items():
        _pack(name, part, tensors, meta)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".writing")
    plain = {k: v.detach().cpu().contiguous().clone() for k, v in tensors.items()}
    partial.write_bytes(as_bytes(plain, metadata=meta))  # safetensors' own `save_file` hides it from other users
    os.replace(partial, path)


def load(path: Path, parts: Mapping[str, Stateful]) -> dict[str, Any]:
    """Fills the parts in place and returns the facts. Raises ``KeyError`` when the file lacks a tensor."""
    with safe_open(path, framework="pt") as file:
        meta = file.metadata() or {}
        tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 (a handle, not a dict)
    for name, part in parts.items():
        _unpack(name, part, tensors, meta)
    facts: dict[str, Any] = json.loads(meta.get("facts", "{}"))
    return facts


def _pack(name: str, part: Stateful, tensors: dict[str, Tensor], meta: dict[str, str]) -> None:
    if isinstance(part, Tensor):
        tensors[name] = part
    elif isinstance(part, nn.Module):
        tensors.update({f"{name}/{key}": value for key, value in part.state_dict().items()})
    else:
        state = part.state_dict()
        meta[name] = json.dumps(state["param_groups"])
        for index, fields in state["state"].items():
            for field, value in fields.items():
                tensors[f"{name}/state/{index}/{field}"] = torch.as_tensor(value)


def _unpack(name: str, part: Stateful, tensors: Mapping[str, Tensor], meta: Mapping[str, str]) -> None:
    if isinstance(part, Tensor):
        part.copy_(tensors[name])
        return
    own = {key[len(name) + 1 :]: value for key, value in tensors.items() if key.startswith(f"{name}/")}
    if isinstance(part, nn.Module):
        part.load_state_dict(own)
        return
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in own.items():
        _, index, field = key.split("/")
        state.setdefault(int(index), {})[field] = value
    part.load_state_dict({"state": state, "param_groups": json.loads(meta[name])})
