"""What is trained: data, networks, losses. A task of a user's own is made of these names."""

from lion_search.proxy_tasks.problems.examples import Dataset, Examples
from lion_search.proxy_tasks.problems.problem import Metric, Problem, classification

__all__ = ["Dataset", "Examples", "Metric", "Problem", "classification"]
