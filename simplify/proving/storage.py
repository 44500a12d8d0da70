"""A state kept in another form: a program that stores, say, the cube of a momentum, and reads its cube root.

Reading and storing are one statement each, and both call the state by its name. To keep ``m`` doubled, *read*
is ``m.read = m * 0.5`` and *write* is ``m.written = m * 2``::

    def train(w, g, m, lr):                     def train(w, g, m, lr):
        new_m = interp(g, m, 0.9)                   m.read = m * 0.5
        return new_m, new_m                         new_m = interp(g, m.read, 0.9)
                                                    m.written = new_m * 2
                                                    return new_m, m.written

Whether both programs give the same updates is not asked here.
"""

from __future__ import annotations

from dataclasses import replace

from lion_search.dsl.program import Argument, Program, Statement, args_with, with_values


def stored(program: Program, state: str, read: Statement, write: Statement | Argument) -> Program:
    """The program that keeps a state in another form.

    Args:
        program: a program that assigns each variable once, and no input.
        state: one of its states.
        read: computes the state from what is stored, which has the state's name.
        write: computes what is stored from the state's new value, which it calls by the state's name, too;
            or a value of the program that is stored as it is.
    """
    at = 1 + program.states.index(state)
    body = [read, *with_values(program.statements, {state: read.target})]
    outputs = list(args_with(program.outputs, {state: read.target}))
    if isinstance(write, Statement):
        body.append(replace(write, args=args_with(write.args, {state: outputs[at]})))
        write = write.target
    outputs[at] = write
    return Program(program.states, tuple(body), tuple(outputs))
