"""What files for PyTorch have in common, as text: the whole, with places to fill in, and helpers."""

from __future__ import annotations

USAGE = """
optimizer = {class_name}(model.parameters())
loss.backward()
optimizer.step()
"""
NUMBER = '''
def _number(value, like):
    """A number as a tensor of the kind of another."""
    return torch.as_tensor(value, dtype=like.dtype, device=like.device)
'''
NUMBERS = '''
def _numbers(values, like):
    """A number for each of some tensors, as tensors; equal ones are one."""
    made = {}
    for value, x in zip(values, like):
        if (value, x.dtype, x.device) not in made:
            made[value, x.dtype, x.device] = _number(value, x)
    return [made[value, x.dtype, x.device] for value, x in zip(values, like)]
'''
PEAK = '''
def _peak(group):
    """The peak of the learning rate: as given, or what a scheduler began with."""
    peak = group["peak_lr"]
    return group.get("initial_lr", group["lr"]) if peak is None else peak
'''
COMMON = '''
def _wide(x, p):
    """In what is computed: short numbers, as bfloat16, would lose what is added to them."""
    return x.to(p.dtype if p.dtype.itemsize >= 4 else torch.float32)


def _use_foreach(foreach, params):
    """What was asked for; by default, all tensors at once where they are on a GPU."""
    if foreach is not None:
        return foreach
    return all(type(p) in (torch.Tensor, torch.nn.Parameter) and p.is_cuda for p in params)
'''
FILE = '''{docstring}
from typing import Any

import torch

_STATES: tuple[str, ...] = {states}


{helpers}

{step}

{foreach_step}

class {class_name}(torch.optim.Optimizer):
    """The optimizer; its hyper-parameters are as they were found.

    Everything is computed in float32, or in the parameters' type where that is wider; so are
    the states kept, unless `state_dtype` is another type.{across}

    Args:
        params: tensors, or groups of them with hyper-parameters of their own.
{arguments}
    """

{signature}
        defaults = {{
{defaults}        }}
        super().__init__(params, defaults)

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """As always, but states keep the type in which they were saved."""
        super().load_state_dict(state_dict)
        saved = [i for group in state_dict["param_groups"] for i in group["params"]]
        params = [p for group in self.param_groups for p in group["params"]]
        for i, p in zip(saved, params):
            for name, value in state_dict["state"].get(i, {{}}).items():
                if self.state[p][name].dtype != value.dtype:
                    self.state[p][name] = value.detach().clone().to(p.device)

    def _init_group(self, group, params, gradients, *states):
        """Adds what is trained of a group: parameters, gradients, states, which begin with zeros."""
        for p in group["params"]:
            if p.grad is None:
                continue
            if p.grad.is_sparse:
                raise RuntimeError("{class_name} takes no sparse gradients: use sparse=False")
            if torch.is_complex(p):
                raise RuntimeError("{class_name} takes no complex parameters: see view_as_real")
            state = self.state[p]
            if not state:
                dtype = group["state_dtype"] or _wide(p, p).dtype
                for name in _STATES:
                    state[name] = torch.zeros_like(p, dtype=dtype)
            params.append(p)
            gradients.append(p.grad)
            for name, values in zip(_STATES, states):
                values.append(state[name])

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        """One step.

        Args:
            closure: a function that computes the gradients anew and returns the loss.
        """
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
{body}        return loss
'''
EACH_GROUP = """        for group in self.param_groups:
            params: list[torch.Tensor] = []
            gradients: list[torch.Tensor] = []
            states: list[list[torch.Tensor]] = [[] for _ in _STATES]
            self._init_group(group, params, gradients, *states)
            if group["maximize"]:
                gradients = [-g for g in gradients]
{numbers}
            if params and _use_foreach(group["foreach"], params):
                lists = (params, gradients, *states)
                arrays = [[_wide(x, p) for x, p in zip(each, params)] for each in lists]
                updates, *new = _foreach_step(*[*arrays, *numbers])
                torch._foreach_sub_(params, updates)
                for old, values in zip(states, new):
                    torch._foreach_copy_(old, values)
                continue
            for p, *others in zip(params, gradients, *states):
                tensors = [_wide(x, p) for x in (p, *others)]
                update, *new = _step(*[*tensors, *numbers])
                p.sub_(update)
                for old, value in zip(others[1:], new):
                    old.copy_(value)
"""
ALL_GROUPS = """        params: list[torch.Tensor] = []
        gradients: list[torch.Tensor] = []
        states: list[list[torch.Tensor]] = [[] for _ in _STATES]
        numbers: list[list[Any]] = [[] for _ in range({num_numbers})]
        for group in self.param_groups:
            start = len(params)
            self._init_group(group, params, gradients, *states)
            if group["maximize"]:
                gradients[start:] = [-g for g in gradients[start:]]
{numbers}
            for every, number in zip(numbers, of_group):
                every += [number] * (len(params) - start)
        if not params:
            return loss
        lists = (params, gradients, *states)
        arrays = [[_wide(x, p) for x, p in zip(each, params)] for each in lists]
        run = _foreach_step if _use_foreach(self.defaults["foreach"], params) else _step
        of_each = [_numbers(every, arrays[0]) for every in numbers]
        updates, *new = run(*[*arrays, *of_each])
        for p, update in zip(params, updates):
            p.sub_(update)
        for old, values in zip(states, new):
            for state, value in zip(old, values):
                state.copy_(value)
"""
