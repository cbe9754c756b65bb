"""What configurations may hold."""

import pickle

import torch

from lightning_lossmeta.cli.configuration import ConfiguredModule


def test_class_weights_of_torchs_cross_entropy_are_a_list():
    network = {"class_path": "lightning_lossmeta.models.MLP"}
    network["init_args"] = {"in_features": 4, "hidden": [], "num_classes": 3}
    loss = {"class_path": "torch.nn.CrossEntropyLoss", "init_args": {"weight": [1, 2.5, 3]}}
    module = ConfiguredModule(
        {
            "class_path": "lightning_lossmeta.SupervisedModule",
            "init_args": {"network": network, "loss_fn": loss},
        }
    )
    for made in (module(), pickle.loads(pickle.dumps(module))()):
        logits, target = torch.randn(5, 3), torch.tensor([0, 1, 2, 1, 0])
        weight = torch.tensor([1, 2.5, 3])
        expected = torch.nn.functional.cross_entropy(logits, target, weight)
        assert torch.equal(made.loss_fn(logits, target), expected)
