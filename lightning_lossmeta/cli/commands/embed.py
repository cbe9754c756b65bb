"""Draw what networks trained with several losses have learned to see (t-SNE)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from lightning_lossmeta._names import safe_names
from lightning_lossmeta.cli.compare.request import Request, found_factors, parse, reported
from lightning_lossmeta.cli.shell import console
from lightning_lossmeta.comparison.embedding import silhouette, tsne
from lightning_lossmeta.comparison.features import trained_features


def main(argv: list[str]) -> int:
    """Train once with each loss of a comparison's configuration and draw the features."""
    return reported(lambda: _run(parse(argv, "embed", __doc__)))


def _run(request: Request) -> None:
    from lightning_lossmeta.analysis import save_figure
    from lightning_lossmeta.analysis.embedding_figure import embedding_figure

    request.directory.mkdir(parents=True, exist_ok=True)
    files = safe_names(request.tasks)
    factors = found_factors(request.directory / "comparison.json")
    out = console()
    for name, (task, _) in request.tasks.items():
        points: dict[str, Any] = {}
        scores: dict[str, float] = {}
        labels = np.zeros(0)
        for loss, method in request.losses.items():
            factor = factors.get((name, loss), 1.0)
            session = replace(
                task.session,
                steps=request.comparison.steps or task.session.steps,
                split="test",
                validations=0,
                learning_rate_factor=factor,
            )
            features, targets = trained_features(
                method, replace(task, session=session), request.samples
            )
            labels = targets.numpy()
            values = features.double().numpy()
            if not np.isfinite(values).all():
                out.print(f"{name}: {loss} diverged and is left out")
                continue
            scores[loss] = silhouette(values, labels)
            points[loss] = tsne(values, request.seed)
            out.print(f"{name}: {loss}, learning rate x {factor:g}: silhouette {scores[loss]:.3f}")
        if not points:
            continue
        declared = getattr(task.data, "num_classes", None) or int(labels.max()) + 1
        classes = [str(index) for index in range(declared)]
        figure = embedding_figure(points, labels, classes, scores)
        stem = "embedding" if len(request.tasks) == 1 else f"embedding-{files[name]}"
        out.print(str(save_figure(figure, request.directory / f"{stem}.png")), soft_wrap=True)
