"""Which known optimizer a program is, up to constants.

:mod:`identify` looks (:mod:`matching`) for each library program (:mod:`templates`) in a program's e-graph
(:mod:`program_graph`), also with states at another scale (:mod:`rescaling`); if none is there, for the
most like it (:mod:`resemblance`).
"""
