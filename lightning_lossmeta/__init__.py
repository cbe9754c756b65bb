"""Learn the loss function of your own Lightning module on your own data."""

from __future__ import annotations

import importlib
from typing import Any

_HOMES = {
    "analysis": ("loss_figure", "save_figure"),
    "artifacts": ("Artifact", "ArtifactError", "LearnedLoss", "load_loss", "get_loss"),
    "callbacks": (
        "CandidateCurves",
        "FGSMFitness",
        "Fitness",
        "GradientEquivalence",
        "InjectLoss",
        "InvariantCheck",
        "LearningRateFactor",
        "LossNormalisation",
        "MetaCallback",
        "RejectionFilter",
        "SampleAttraction",
        "SearchCheckpoint",
        "SearchHistory",
        "SearchProgress",
        "SymbolicArchive",
        "TrainingProgress",
    ),
    "candidate": ("Candidate",),
    "comparison": (
        "RunStore",
        "compare_losses",
        "ComparisonConfig",
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
        "EpisodeData",
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
        "TableClassificationDataModule",
        "TableDataModule",
        "TensorDataModule",
        "TransitionNoise",
        "estimate_transition",
        "empirical_transition",
    ),
    "evaluation": ("Evaluation", "Status"),
    "evaluators": (
        "AutoEvaluator",
        "Evaluator",
        "PopulationEvaluator",
        "ProcessEvaluator",
        "TrainerEvaluator",
    ),
    "families": (
        "ExpressionFamily",
        "ExpressionLoss",
        "LossFamily",
        "NetworkFamily",
        "NetworkLoss",
        "TaylorFamily",
        "TaylorLoss",
    ),
    "local_search": ("GradientRefiner", "Refiner"),
    "losses": (
        "BinaryCrossEntropy",
        "CrossEntropy",
        "Identity",
        "LossFunction",
        "MeanSquaredError",
        "ProgressDependentLoss",
        "Sigmoid",
        "Softmax",
        "set_progress",
    ),
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
    "task": ("Horizons", "Objective", "Session", "Task"),
    "search": (
        "Allocation",
        "Finalists",
        "FixedSeeds",
        "MetaLossTrainer",
        "SearchError",
        "SearchResult",
    ),
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
