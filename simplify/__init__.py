"""A program made readable: :mod:`simplifier` tells the story, the wings do the work.

``equality`` knows which values are equal, ``proving`` makes a program cheaper without changing an update,
``experiments`` leave out what costs nothing, ``writing`` puts the result into a person's words,
``recognition`` says which known optimizer a program is. What was done is a list of :mod:`steps`.
"""
