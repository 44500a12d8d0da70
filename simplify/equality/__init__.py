"""Which values are equal, and the cheapest program among equals.

Rules (:mod:`rules`, written as :mod:`patterns`) are compiled (:mod:`compile_rules`) for an e-graph
(:mod:`egraph`); a program goes in and a cheaper one is read off (:mod:`rewriting`, :mod:`extraction`).
"""
