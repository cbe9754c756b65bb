"""Trainings and local searches on many machines, by engines that are there: Ray and SLURM."""

from lightning_lossmeta.evaluators.cluster.ray_evaluator import RayEvaluator

__all__ = [
    "RayEvaluator",
]
