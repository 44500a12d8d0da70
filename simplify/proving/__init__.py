"""Cheaper programs that are proved to give the same updates.

:mod:`proofs` rewrites values and changes what states store, in turn: :mod:`states` proposes changes of
state, :mod:`changes` proves them, :mod:`storage` writes the programs.
"""
