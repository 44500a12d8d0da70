"""A program as a person would write it.

:mod:`readable` orders statements by the flow of data (:mod:`dataflow`), takes the learning rate out
(:mod:`factoring`) and names values (:mod:`naming`), states by their role (:mod:`roles`).
"""
