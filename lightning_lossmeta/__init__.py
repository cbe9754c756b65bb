"""Learn the loss function of your own Lightning module on your own data."""

from __future__ import annotations

import importlib
from typing import Any

_HOMES = {
    "analysis": ("loss_figure", "save_figure"),
    "artifacts": ("Artifact", "ArtifactError", "LearnedLoss", "load_loss", "ready_loss"),
    "callbacks": (
        "CandidateCurves",
        "FGSMFitness",
        "GradientEquivalence",
        "InjectLoss",
        "InvariantCheck",
        "LearningRateFactor",
        "LossNormalisation",
        "MetaCallback",
        "Rejection",
        "SampleAttraction",
        "SearchCheckpoint",
        "SearchHistory",
        "SearchProgress",
        "SymbolicArchive",
        "TrainingTime",
    ),
    "candidate": ("Candidate",),
    "comparison": (
        "CellStore",
        "compare_losses",
        "Comparison",
        "Report",
    ),
    "data": (
        "Augmentation",
        "CIFAR100DataModule",
        "CIFAR10DataModule",
        "CaliforniaHousingDataModule",
        "Clothing1MDataModule",
        "DiabetesDataModule",
        "DigitsDataModule",
        "FashionMNISTDataModule",
        "ImageDataModule",
        "ImageFolderDataModule",
        "InstanceNoise",
        "JPEGArchiveDataModule",
        "KMNISTDataModule",
        "LabelFileNoise",
        "LabelNoise",
        "MNISTDataModule",
        "PairFlipNoise",
        "SVHNDataModule",
        "SymmetricNoise",
        "TableDataModule",
        "TensorDataModule",
        "TransitionNoise",
        "estimate_transition",
        "transition_of",
    ),
    "evaluation": ("Evaluation", "Status"),
    "evaluators": (
        "AutoEvaluator",
        "Evaluator",
        "PopulationEvaluator",
        "ProcessEvaluator",
        "RefinedEvaluator",
        "TrainerEvaluator",
    ),
    "families": (
        "ExpressionFamily",
        "ExpressionLoss",
        "ExpressionRegressionLoss",
        "LossFamily",
        "NetworkFamily",
        "NetworkLoss",
        "NetworkRegressionLoss",
        "TaylorFamily",
        "TaylorLoss",
        "TaylorRegressionLoss",
    ),
    "finalists": ("Finalists",),
    "losses": ("CrossEntropy", "LossFunction", "MeanSquaredError", "TimedLoss", "set_time"),
    "models": (
        "AlexNet",
        "AllCNNC",
        "CNN4",
        "JoCoRNet",
        "LeNet5",
        "LogisticRegression",
        "MLP",
        "penultimate",
        "PreActResNet",
        "PyramidNet",
        "ResNet18",
        "SqueezeNet",
        "VGG",
        "WideResNet",
    ),
    "modules": (
        "CoTeaching",
        "ForwardCorrected",
        "JoCoR",
        "PopulationModule",
        "SupervisedModule",
        "TrainingMethod",
    ),
    "searchers": (
        "CMAESSearcher",
        "GeneticProgrammingSearcher",
        "GradientSearcher",
        "Searcher",
    ),
    "task": ("Session", "Task"),
    "trainer": ("MetaLossTrainer", "SearchError", "SearchResult"),
}
_HOME = {name: home for home, names in _HOMES.items() for name in names}

__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used: ``lossmeta --help`` needs no torch."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return [*globals(), *_HOME]
