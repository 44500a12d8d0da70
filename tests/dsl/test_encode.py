"""Encoded programs on a machine written here from ``encode``'s documentation: the same to the last bit."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest

from lion_search.dsl.encode import (
    CAPACITIES,
    COPY,
    FIRST_STATE_ROW,
    GRADIENT_ROW,
    LEARNING_RATE_REGISTER,
    WEIGHTS_ROW,
    Capacity,
    Encoded,
    TooLargeError,
    encode,
    operand_slots,
    scalar_ops,
    vector_ops,
)
from lion_search.dsl.equivalence.canonical import canonicalise
from lion_search.dsl.functions import BUILT_IN, FUNCTIONS, Type
from lion_search.dsl.library import library_program
from lion_search.dsl.liveness import prune
from lion_search.dsl.program import Program, Statement
from lion_search.dsl.schedule import BatchSize, make_schedule
from lion_search.dsl.text import format_program, parse

Walk = Callable[..., np.ndarray]


class Machine:
    """Vector registers ``[rows, N]`` and scalar registers, in float32.

    What is not promised is spoiled: before each step every row but the states' is NaN, and so are rows and
    registers that take what nobody wants. An operand of the wrong kind fails an assertion.
    """

    def __init__(self, capacity: Capacity, code: Encoded, shapes: tuple[tuple[int, ...], ...]) -> None:
        self._capacity, self._code, self._shapes = capacity, code, shapes
        sizes = [int(np.prod(shape)) for shape in shapes]
        self._ends = np.cumsum(sizes)
        self._num_states = 0
        self._rows = np.zeros((capacity.rows, sum(sizes)), np.float32)
        self._vector_names = {op: name for name, op in vector_ops().items()}
        self._scalar_names = {op: name for name, op in scalar_ops().items()}

    def step(self, weights: np.ndarray, gradient: np.ndarray, lr: float, num_states: int) -> np.ndarray:
        """One step: the update and the states ``[1 + states, N]``."""
        states = slice(FIRST_STATE_ROW, FIRST_STATE_ROW + num_states)
        kept = self._rows[states].copy()
        self._rows[:] = np.nan
        self._rows[states] = kept
        self._rows[WEIGHTS_ROW], self._rows[GRADIENT_ROW] = weights, gradient
        self._scalars = self._code.scalars.copy()
        self._scalars[-1] = np.nan
        self._scalars[LEARNING_RATE_REGISTER] = lr
        self._run()
        update = self._rows[self._code.update_row]
        return np.array([update, *self._rows[states]], np.float64)

    def _run(self) -> None:
        """Each vector instruction, then the scalar instructions that follow it."""
        done = 0
        for word in self._code.vector_code[: self._code.num_instructions].tolist():
            self._vector_instruction(*word[:6])
            for scalar_word in self._code.scalar_code[done : word[6]].tolist():
                self._scalar_instruction(*scalar_word)
            assert done <= word[6]
            done = word[6]

    def _vector_instruction(self, op: int, row: int, x: int, y: int, a: int, scalar: int) -> None:
        name = self._vector_names[op]
        if name == COPY:
            self._rows[row] = self._spread(x)
            return
        function = FUNCTIONS[name]
        operands = [(x, y, a)[slot] for slot in operand_slots(function)]
        args = []
        for number, widest in zip(operands, function.parameters, strict=True):
            if widest is Type.SCALAR:
                args.append(self._scalars[self._register(number)])
            elif function.elementwise:
                args.append(self._spread(number))
            else:
                assert number < self._capacity.rows, f"{name} reads rows"
                args.append(self._tree(self._rows[number]))
        result = function.meaning(np, *args)
        if function.result is Type.SCALAR:
            self._scalars[scalar] = result
            return
        if not function.elementwise:
            arrays = [np.broadcast_to(r, s) for r, s in zip(result, self._shapes, strict=True)]
            result = np.concatenate([np.ravel(array) for array in arrays])
        self._rows[row] = result

    def _scalar_instruction(self, op: int, target: int, x: int, y: int, a: int) -> None:
        function = FUNCTIONS[self._scalar_names[op]]
        operands = [(x, y, a)[slot] for slot in operand_slots(function)]
        self._scalars[target] = function.meaning(np, *self._scalars[operands])

    def _register(self, number: int) -> int:
        assert number >= self._capacity.rows, "a row where a scalar is required"
        return number - self._capacity.rows

    def _spread(self, number: int) -> np.ndarray:
        """A row, or a scalar in every place of one."""
        if number < self._capacity.rows:
            return self._rows[number]
        return np.broadcast_to(self._scalars[self._register(number)], self._rows.shape[1:])

    def _tree(self, row: np.ndarray) -> tuple[np.ndarray, ...]:
        parts = np.split(row, self._ends[:-1])
        return tuple(part.reshape(shape) for part, shape in zip(parts, self._shapes, strict=True))


class ScheduledMachine:
    """Runs a program beside two others, or itself if it needs a large machine, with two lanes a block.

    What is not promised is spoiled likewise, and so is what another program wrote where it should not. States
    that no update depends on have no row; states are shown as the code itself makes them.
    """

    def __init__(self, capacity: Capacity, code: Encoded, shapes: tuple[tuple[int, ...], ...]) -> None:
        self._alone = Machine(capacity, code, shapes)
        self._size = BatchSize(capacity, programs=4, lanes=2)  # one place is empty
        company = [encode(library_program(name)) for name in ("adamw", "lion")]
        one, other = (theirs if size == capacity else code for size, theirs in company)
        self._schedule = make_schedule([one, code, other], self._size)
        num_rows, num_scalars = 4 * self._size.rows, 4 * capacity.scalars
        self._machine = Machine(Capacity(0, num_rows, num_scalars), code, shapes)
        self._machine._rows = np.zeros((num_rows + 1, self._machine._rows.shape[1]), np.float32)

    def step(self, weights: np.ndarray, gradient: np.ndarray, lr: float, num_states: int) -> np.ndarray:
        states = self._alone.step(weights, gradient, lr, num_states)[1:]
        schedule, machine = self._schedule, self._machine
        machine._rows[-1] = np.nan
        machine._rows[:4], machine._rows[4:8] = weights, gradient
        scalars = schedule.scalars.copy()
        scalars[:, LEARNING_RATE_REGISTER] = lr
        machine._scalars = np.append(scalars, np.float32(np.nan))
        done = 0
        for step, end in zip(schedule.steps[: schedule.num_steps], schedule.ends, strict=False):
            self._all_at_once(machine._scalar_instruction, step)
            for block in schedule.lanes[done:end]:
                self._all_at_once(machine._vector_instruction, block)
            done = end
        assert np.array_equal(machine._rows[schedule.update_row[3]], weights)
        return np.array([machine._rows[schedule.update_row[1]], *states], np.float64)

    def _all_at_once(self, instruction: Callable[..., None], words: np.ndarray) -> None:
        """Each of them on the registers before all of them."""
        machine = self._machine
        rows, scalars = machine._rows, machine._scalars
        new_rows, new_scalars = rows.copy(), scalars.copy()
        for word in words.tolist():
            machine._rows, machine._scalars = rows.copy(), scalars.copy()
            instruction(*word)
            row, scalar = (word[1], word[5]) if len(word) == 6 else (len(rows) - 1, word[1])
            new_rows[row], new_scalars[scalar] = machine._rows[row], machine._scalars[scalar]
        machine._rows, machine._scalars = new_rows, new_scalars


@pytest.fixture(scope="session", params=[Machine, ScheduledMachine], ids=["one by one", "scheduled"])
def run_on_each(request: pytest.FixtureRequest, trace: Any) -> Callable[..., np.ndarray]:
    """``run_on_each(program, num_steps)``: outputs on the trace ``[steps, outputs, N]``, by both codes."""
    return partial(_run, request.param, trace)


@pytest.fixture(scope="session")
def run_encoded(trace: Any) -> Callable[..., np.ndarray]:
    """The same, by code as it is encoded only."""
    return partial(_run, Machine, trace)


def _run(
    machine_type: type[Machine] | type[ScheduledMachine], trace: Any, program: Program, num_steps: int
) -> np.ndarray:
    machine = machine_type(*encode(program), trace.shapes)
    outputs = []
    with np.errstate(all="ignore"):
        for t in range(num_steps):
            weights, gradient = (
                np.concatenate([np.ravel(a) for a in tree]).astype(np.float32)
                for tree in (trace.weights[t], trace.gradients[t])
            )
            lr = trace.learning_rates[t]
            outputs.append(machine.step(weights, gradient, lr, len(program.states)))
    return np.array(outputs)


def _assert_same(program: Program, run_encoded: Callable, walk: Walk, num_steps: int = 4) -> None:
    expected = walk(program, num_steps=num_steps, dtype=np.float32)
    found = run_encoded(program, num_steps)
    assert np.array_equal(found, expected, equal_nan=True), format_program(program)


@pytest.mark.parametrize("form", [lambda p: p, prune, lambda p: canonicalise(p).program()])
def test_a_program_computes_the_same(
    form: Callable[[Program], Program], many_programs: list[Program], run_on_each: Callable, walk: Walk
):
    """As it is, pruned and canonical."""
    for program in map(form, many_programs):
        _assert_same(program, run_on_each, walk)


def test_a_known_program_computes_the_same_for_longer(
    known_programs: dict[str, Program], run_on_each: Callable, walk: Walk
):
    for program in known_programs.values():
        for form in (program, prune(program), canonicalise(program).program()):
            _assert_same(form, run_on_each, walk, num_steps=8)


# Corners: (states, statements, what is returned)
CORNERS = {
    "the update is the weights": ("", "", "w"),
    "the update is the gradient": ("", "", "g"),
    "the update is the learning rate": ("", "", "lr"),
    "the update is a constant": ("", "", "0.5"),
    "zero and minus zero": ("", "a = reciprocal(0.0); b = reciprocal(-0.0); u = a - b", "u"),
    "the update is a computed scalar": ("", "s = sin(lr); u = s * s", "u"),
    "the update is a reduction": ("", "s = global_norm(g)", "s"),
    "the update is one number per array": ("", "p = norm(g)", "p"),
    "the update is the old state": ("m", "n = interp(g, m, 0.9)", "m, n"),
    "the update is the new state": ("m", "m = interp(g, m, 0.9)", "m, m"),
    "the update is another state's old value": ("m, v", "m = sin(g); n = cos(m)", "v, n, m"),
    "no state changes": ("m, v", "u = sin(g)", "u, m, v"),
    "two states swap": ("m, v", "a = interp(g, m, 0.9); m = a + 1.0; u = sign(v)", "u, v, m"),
    "two states swap with nothing else": ("m, v", "", "g, v, m"),
    "three states rotate": ("a, b, c", "x = a + g", "x, b, c, x"),
    "three states rotate the other way": ("a, b, c", "x = c + g", "a, x, a, b"),
    "states rotate through the update": ("a, b, c, d", "x = a * 0.5; y = x + g", "b, d, y, a, b"),
    "a state returns another's old value": ("m, v", "m = interp(g, m, 0.9)", "v, m, m"),
    "a delay line": ("m, v", "u = v * 1.0", "u, g, m"),
    "a state is an input": ("m, v", "u = m + v", "u, w, g"),
    "a state is a constant": ("m, v", "u = m + v", "u, 0.25, lr"),
    "two states share one new value": ("m, v", "x = interp(g, m, 0.9); u = x + v", "u, x, x"),
    "two states share it with the update": ("m, v", "x = interp(g, m, 0.9); x = x + v", "x, x, x"),
    "a state is a scalar": ("m", "u = m + g; m = dot(w, g)", "u, m"),
    "a state is a scalar of its old value": ("m", "s = global_norm(m); s = s + lr; u = g * s", "u, s"),
    "a state is one number per array": ("m", "u = m + g; p = norm(m); m = p + 1.0", "u, m"),
    "the old state is read after the new is known": ("m", "n = sin(g); x = m + n; y = x * m", "y, n"),
    "the old state is read by the last statement": ("m", "n = m + g; u = n * m", "u, n"),
    "the new state is read later": ("m, v", "m = m + g; v = m * v; v = v + m; u = v * m", "u, m, v"),
    "a state is overwritten twice": ("m", "m = m + g; m = m * w; m = m - g; u = sin(m)", "u, m"),
    "inputs are overwritten": ("m", "w = w * g; g = w + g; lr = lr * 2.0; m = g * lr; u = m - w", "u, m"),
    "the learning rate becomes a tree": ("", "lr = w * lr; u = lr + g", "u"),
    "weights become a scalar": ("", "w = global_norm(w); u = g * w", "u"),
    "a reduction of a scalar": ("", "s = dot(lr, 0.5); u = g + s", "u"),
    "a reduction of one scalar twice": ("", "s = dot(lr, lr); t = cosine_sim(s, s); u = g + t", "u"),
    "a reduction of a tree and a scalar": ("", "s = dot(g, lr); t = dot(lr, g); u = s + t; u = u * g", "u"),
    "a norm of a scalar": ("", "p = norm(lr); u = p * g", "u"),
    "a norm of one number per array": ("", "p = norm(g); q = norm(p); u = q * g", "u"),
    "a global norm of one number per array": ("", "p = norm(g); s = global_norm(p); u = s * g", "u"),
    "a dot of two numbers per array": ("", "p = norm(g); q = norm(w); s = dot(p, q); u = s * g", "u"),
    "a clip of a scalar": ("", "c = clip(2.0, lr); u = c * g", "u"),
    "a clip of one number per array": ("", "p = norm(g); c = clip(p, lr); u = c * g", "u"),
    "a clip to a computed limit": ("", "s = global_norm(w); s = s * 0.1; u = clip(g, s)", "u"),
    "an interp of scalars": ("", "s = interp(lr, 0.5, 0.1); u = g * s", "u"),
    "an interp of a tree and a scalar": (
        "",
        "a = interp(g, lr, 0.1); b = interp(0.5, a, lr); u = b + a",
        "u",
    ),
    "an interp with a reduction as weight": ("", "s = dot(g, w); u = interp(g, w, s)", "u"),
    "constants without a tree": ("", "a = get_pi(); b = get_e(); c = get_eps(); a = a * b; a = a - c", "a"),
    "dead statements": ("m", "a = sin(g); b = norm(w); c = dot(a, g); d = c * lr; u = g * m", "u, w"),
    "one row read twice by its last": (
        "",
        "a = sin(g); b = a * a; c = interp(b, b, lr); u = c / c",
        "u",
    ),
    "scalars before and after a reduction": ("", "a = lr * 2.0; s = dot(g, a); b = s + a; u = b * g", "u"),
}


@pytest.mark.parametrize("name", CORNERS)
def test_a_corner(name: str, run_on_each: Callable, walk: Walk):
    states, body, returned = CORNERS[name]
    lines = [*filter(None, (s.strip() for s in body.split(";"))), f"return {returned}"]
    header = ", ".join(filter(None, ("w", "g", states, "lr")))
    program = parse(f"def train({header}):\n" + "".join(f"    {line}\n" for line in lines))
    _assert_same(program, run_on_each, walk, num_steps=6)


@pytest.mark.parametrize("function", BUILT_IN)
@pytest.mark.parametrize("arguments", [("g", "w"), ("lr", "g"), ("p", "g"), ("lr", "s"), ("p", "p")])
def test_every_function_of_every_type(
    function: str, arguments: tuple[str, str], run_encoded: Callable, walk: Walk
):
    """Of trees, scalars and numbers per array, in both orders, read by something else later."""
    parameters = FUNCTIONS[function].parameters
    for order in (arguments, arguments[::-1]):
        trees = iter(order)
        args = tuple("s" if widest is Type.SCALAR else next(trees) for widest in parameters)
        statements = (
            Statement("s", "dot", ("w", "g")),
            Statement("p", "norm", ("g",)),
            Statement("a", function, args),
            Statement("m", "add", ("a", "m")),
            Statement("update", "multiply", ("a", "g")),
        )
        _assert_same(Program(("m",), statements, ("update", "m")), run_encoded, walk)


# ---- capacities


def _chain(length: int) -> Program:
    """Vector instructions only, one after the other."""
    statements = [Statement("u", "sin", ("g",))] + [Statement("u", "sin", ("u",))] * (length - 1)
    return Program((), tuple(statements), ("u",))


@pytest.mark.parametrize("index", range(len(CAPACITIES)))
def test_a_program_gets_the_smallest_machine_that_holds_it(index: int):
    """By its number of instructions; one more needs the next machine, or there is none."""
    capacity = CAPACITIES[index]
    assert encode(_chain(capacity.instructions))[0] == capacity
    if index + 1 < len(CAPACITIES):
        assert encode(_chain(capacity.instructions + 1))[0] == CAPACITIES[index + 1]
    else:
        with pytest.raises(
            TooLargeError, match=r"needs 1025 instructions, \d+ rows and \d+ scalars; at most 1024"
        ):
            encode(_chain(capacity.instructions + 1))


def test_many_constants_need_a_larger_machine(run_encoded: Callable, walk: Walk):
    """A scalar register for each, but one for equal ones."""
    different = [Statement("s", "add", ("lr" if i == 0 else "s", i / 64)) for i in range(60)]
    equal = [Statement("s", "add", ("lr" if i == 0 else "s", 0.5)) for i in range(60)]
    last = Statement("u", "multiply", ("g", "s"))
    large = Program((), (*different, last), ("u",))
    assert encode(large)[0] == CAPACITIES[1]
    assert encode(Program((), (*equal, last), ("u",)))[0] == CAPACITIES[0]
    _assert_same(large, run_encoded, walk)


def test_many_rows_at_once_need_a_larger_machine(run_encoded: Callable, walk: Walk):
    names = [f"x{i}" for i in range(30)]
    made = [Statement(x, "multiply", ("g", float(i))) for i, x in enumerate(names)]
    read = [Statement("u", "add", ("u" if i else "w", x)) for i, x in enumerate(names)]
    program = Program((), (*made, *read), ("u",))
    assert encode(program)[0] == CAPACITIES[1]
    _assert_same(program, run_encoded, walk)


def test_rows_are_used_again(run_encoded: Callable, walk: Walk):
    """A long program that needs two values at a time runs on the smallest machine's rows."""
    lines = [Statement(f"x{i}", "add", (f"x{i - 1}" if i else "g", "w")) for i in range(60)]
    program = Program((), tuple(lines), ("x59",))
    capacity, _ = encode(program)
    assert capacity == CAPACITIES[0]
    _assert_same(program, run_encoded, walk)


def test_code_has_the_shapes_and_types_that_are_documented(evolved: list[Program]):
    for program in evolved[:20]:
        capacity, code = encode(program)
        assert code.vector_code.shape == (capacity.instructions, 7)
        assert code.scalar_code.shape == (capacity.instructions, 5)
        assert code.scalars.shape == (capacity.scalars,)
        assert (code.vector_code.dtype, code.scalar_code.dtype) == (np.int32, np.int32)
        assert code.scalars.dtype == np.float32
        assert 1 <= code.num_instructions <= capacity.instructions


def test_scalar_statements_cost_no_pass_over_the_weights():
    """Ten more of them are ten more scalar instructions and no vector instruction."""
    few = parse("def train(w, g, lr):\n    s = sin(lr)\n    u = g * s\n    return u\n")
    scalars = tuple(Statement("s", "cos", ("s",)) for _ in range(10))
    many = Program((), (few.statements[0], *scalars, few.statements[1]), few.outputs)
    assert encode(few)[1].num_instructions == encode(many)[1].num_instructions
