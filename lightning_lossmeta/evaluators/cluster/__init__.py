"""Trainings and local searches on many machines, by engines that are there: Ray and SLURM."""

from lightning_lossmeta.evaluators.cluster.ray_evaluator import RayEvaluator
from lightning_lossmeta.evaluators.cluster.submitit_evaluator import SubmititEvaluator

__all__ = [
    "RayEvaluator",
    "SubmititEvaluator",
]
