"""What costs nothing to leave out, shown by training.

An *ablation* is a program without one thing (:mod:`ablations`). In a *round* several are trained beside
the original (:mod:`rounds`, :mod:`trainer`). The *trial* of one is a sequential paired test
(:mod:`trials`).
"""
