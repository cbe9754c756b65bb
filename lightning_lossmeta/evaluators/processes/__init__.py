"""Candidates in worker processes side by side."""

from lightning_lossmeta.evaluators.processes.evaluator import ProcessEvaluator

__all__ = [
    "ProcessEvaluator",
]
