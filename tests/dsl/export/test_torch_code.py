"""What PyTorch's users expect of an optimizer: groups, resume, schedulers, scaling, compilation, types."""

import importlib
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from exported import load, text_of

from lion_search.dsl.library import LIBRARY, library_program

torch = pytest.importorskip("torch")

NAMES = ("lion", "adamw", "lion_clip", "paper/program8")


def _class(name: str) -> Callable[..., Any]:
    return load(library_program(name), "torch")["Optimizer"]


def _params(dtype: Any = None) -> list[Any]:
    torch.manual_seed(0)
    return [torch.nn.Parameter(torch.randn(shape, dtype=dtype)) for shape in ((3, 4), (5,), ())]


def _train(optimizer: Any, params: list[Any], steps: int, first: int = 0) -> None:
    for step in range(first, first + steps):
        for i, p in enumerate(params):
            p.grad = torch.sin(p.detach() * (step + 1) + i)
        optimizer.step()


def _moved(make: Callable[[list[Any]], Any], steps: int = 3, dtype: Any = None) -> list[Any]:
    params = _params(dtype)
    _train(make(params), params, steps)
    return [p.detach() for p in params]


def _same(found: list[Any], expected: list[Any], **how: Any) -> None:
    for a, b in zip(found, expected, strict=True):
        torch.testing.assert_close(a, b, **how)


@pytest.mark.parametrize("name", NAMES)
def test_groups_share_norms_and_have_hyperparameters_of_their_own(name: str) -> None:
    """In two groups it moves as in one; another learning rate moves its own group only by so much."""
    make = _class(name)
    whole = _moved(make)
    _same(_moved(lambda params: make([{"params": params[:1]}, {"params": params[1:]}])), whole)
    lr = make([torch.zeros(1)]).defaults["lr"]
    start, once = _params(), _moved(make, 1)
    halved = _moved(lambda params: make([{"params": params[:1]}, {"params": params[1:], "lr": lr / 2}]), 1)
    _same(halved[:1], once[:1])
    half = [(w + v) / 2 for w, v in zip(start[1:], once[1:], strict=True)]
    _same(halved[1:], [h.detach() for h in half], rtol=1e-4, atol=1e-7)


@pytest.mark.parametrize("name", NAMES)
def test_all_tensors_at_once_move_as_one_by_one(name: str) -> None:
    """With ``foreach``."""
    make = _class(name)
    one, other = (_moved(lambda params, f=f: make(params, foreach=f)) for f in (True, False))
    _same(one, other)


@pytest.mark.parametrize("name", ["lion", "lion_clip"])
def test_all_tensors_at_once_is_what_gpus_get(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Parameters that say they are on one; unless the user has chosen."""
    names, calls = load(library_program(name), "torch"), []
    for step in ("_step", "_foreach_step"):
        own = names[step]
        names[step] = lambda *args, own=own, step=step: calls.append(step) or own(*args)
    for is_cuda, foreach, expected in (
        (False, None, "_step"), (True, None, "_foreach_step"), (True, False, "_step"),
    ):  # fmt: skip
        monkeypatch.setattr(torch.nn.Parameter, "is_cuda", is_cuda, raising=False)
        calls.clear()
        _moved(lambda params, f=foreach: names["Optimizer"](params, foreach=f), 1)
        assert {*calls} == {expected}


def test_maximize_goes_the_other_way() -> None:
    make = _class("sgd")
    start = [p.detach() for p in _params()]
    down, up = (_moved(lambda params, m=m: make(params, maximize=m), 1) for m in (False, True))
    _same([a + b for a, b in zip(down, up, strict=True)], [2 * w for w in start])


def test_a_closure_computes_gradients_and_its_loss_is_returned() -> None:
    params = _params()
    optimizer = _class("adamw")(params)

    def closure() -> Any:
        optimizer.zero_grad()
        loss = sum((p**2).sum() for p in params)
        loss.backward()
        return loss

    assert optimizer.step(closure) > optimizer.step(closure) > 0


RESUME = """
import importlib, sys, torch
sys.path.insert(0, sys.argv[1])
resumed = []
for module, weights, state in torch.load(sys.argv[1] + "/saved.pt"):
    params = [torch.nn.Parameter(w) for w in weights]
    optimizer = importlib.import_module(module).Optimizer(params)
    optimizer.load_state_dict(state)
    for step in range(3, 6):
        for i, p in enumerate(params):
            p.grad = torch.sin(p.detach() * (step + 1) + i)
        optimizer.step()
    resumed.append(([p.detach() for p in params], optimizer.state_dict()))
torch.save(resumed, sys.argv[1] + "/resumed.pt")
"""


def test_a_new_process_goes_on_bit_for_bit(tmp_path: Path) -> None:
    """From a saved state; also where states are wider than the weights, which PyTorch would make as short."""
    running, saved = [], []
    for name, dtype in (("adamw", torch.float32), ("adamw", torch.bfloat16), ("lion_clip", torch.float32)):
        (tmp_path / f"exported_{name}.py").write_text(text_of(library_program(name), "torch"))
        params = _params(dtype)
        optimizer = _class(name)(params, lr=0.03)
        _train(optimizer, params, 3)
        assert {s.dtype for s in optimizer.state[params[0]].values()} == {torch.float32}
        running.append((optimizer, params))
        saved.append((f"exported_{name}", [p.detach() for p in params], optimizer.state_dict()))
    torch.save(saved, tmp_path / "saved.pt")
    subprocess.run([sys.executable, "-c", RESUME, tmp_path], check=True, timeout=300)
    for (optimizer, params), (weights, state) in zip(
        running, torch.load(tmp_path / "resumed.pt"), strict=True
    ):
        _train(optimizer, params, 3, first=3)
        for i, (p, w) in enumerate(zip(params, weights, strict=True)):
            assert torch.equal(w, p.detach())
            for key, value in optimizer.state[p].items():
                assert torch.equal(state["state"][i][key], value)
                assert state["state"][i][key].dtype == value.dtype


def test_states_may_be_short_by_choice() -> None:
    params = _params()
    optimizer = _class("lion")(params, state_dtype=torch.bfloat16)
    _train(optimizer, params, 2)
    assert {s.dtype for s in optimizer.state[params[0]].values()} == {torch.bfloat16}
    assert params[0].dtype == torch.float32


@pytest.mark.parametrize("name", ["lion", "paper/program8"])
def test_a_scheduler_sets_the_learning_rate(name: str) -> None:
    """Also of a program that looks at the schedule: it sees the rate as a share of that it began with."""

    def make(params: list[Any]) -> Any:
        optimizer = _class(name)(params)
        torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 0.5)
        return optimizer

    def by_hand(params: list[Any]) -> Any:
        lr = _class(name)(params).defaults["lr"]
        peak = {"peak_lr": lr} if "peak_lr" in _class(name)(params).defaults else {}
        return _class(name)(params, lr=lr / 2, **peak)

    _same(_moved(make), _moved(by_hand))
    assert any((a != b).any() for a, b in zip(_moved(make), _moved(_class(name)), strict=True))


def test_a_tensor_may_be_the_learning_rate() -> None:
    """As with PyTorch's own, so that a compiled step need not be compiled again."""
    make = _class("lion")
    for foreach in (True, False):
        tensor = _moved(lambda params, f=foreach: make(params, lr=torch.tensor(0.01), foreach=f))
        _same(tensor, _moved(lambda params: make(params, lr=0.01)))


def test_a_scaler_skips_steps_whose_gradients_are_not_finite() -> None:
    params = _params()
    optimizer, scaler = _class("adamw")(params), torch.amp.GradScaler("cpu")
    start = [p.detach().clone() for p in params]
    for factor in (float("inf"), 1.0):
        optimizer.zero_grad()
        scaler.scale(sum((p * factor).sum() for p in params)).backward()
        scaler.step(optimizer)
        scaler.update()
        moved = [bool((p != w).any()) for p, w in zip(params, start, strict=True)]
        assert moved == [factor == 1.0] * 3


def test_parameters_without_gradient_stay() -> None:
    params = _params()
    optimizer = _class("adamw")(params)
    optimizer.step()
    params[0].grad = torch.ones(3, 4)
    start = params[1].detach().clone()
    optimizer.step()
    assert torch.equal(params[1], start)
    assert params[1] not in optimizer.state


@pytest.mark.parametrize(
    ("param", "gradient", "message"),
    [
        (torch.zeros(3), torch.zeros(3).to_sparse(), "takes no sparse gradients"),
        (torch.zeros(3, dtype=torch.complex64), torch.zeros(3, dtype=torch.complex64), "takes no complex"),
    ],
)
def test_sparse_and_complex_numbers_are_refused(param: Any, gradient: Any, message: str) -> None:
    param = torch.nn.Parameter(param)
    param.grad = gradient
    with pytest.raises(RuntimeError, match=message):
        _class("lion")([param]).step()


@pytest.mark.parametrize("name", ["lion", "lion_clip"])
def test_a_distributed_tensor_is_trained(name: str) -> None:
    """A DTensor on a mesh of one process; its states are distributed, too."""
    import torch.distributed as dist
    from torch.distributed.tensor import DTensor, Replicate, distribute_tensor

    dist.init_process_group("gloo", rank=0, world_size=1, store=dist.HashStore())
    try:
        mesh = dist.init_device_mesh("cpu", (1,))
        plain = _params()
        params = [torch.nn.Parameter(distribute_tensor(p.detach(), mesh, [Replicate()])) for p in plain]
        optimizer = _class(name)(params)
        _train(optimizer, params, 2)
        _train(_class(name)(plain), plain, 2)
        assert isinstance(next(iter(optimizer.state[params[0]].values())), DTensor)
        _same([p.detach().full_tensor() for p in params], [p.detach() for p in plain])
    finally:
        dist.destroy_process_group()


@pytest.mark.large
@pytest.mark.parametrize("backend", ["eager", "inductor"])
@pytest.mark.parametrize("name", NAMES)
def test_a_step_can_be_compiled(
    name: str, backend: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without being compiled anew at the second step; of a module, which the compiler looks up."""
    torch._dynamo.reset()
    module = f"compiled_{name.replace('/', '_')}"
    (tmp_path / f"{module}.py").write_text(text_of(library_program(name), "torch"))
    monkeypatch.syspath_prepend(tmp_path)
    params = _params()
    optimizer = importlib.import_module(module).Optimizer(params)
    plain = optimizer.step
    _train(optimizer, params, 1)
    optimizer.step = torch.compile(plain, backend=backend)
    _train(optimizer, params, 1, first=1)
    with torch.compiler.set_stance("fail_on_recompile"):
        _train(optimizer, params, 2, first=2)
    _same([p.detach() for p in params], _moved(_class(name), 4))


def test_every_library_program_has_a_class_that_trains() -> None:
    for name in LIBRARY:
        assert all(w.isfinite().all() for w in _moved(_class(name), 2))
