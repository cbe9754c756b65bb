import io
import os
import pickle

import pytest
import torch
import yaml

from lightning_lossmeta.artifacts import Artifact, ArtifactError
from lightning_lossmeta.candidate import Candidate
from lightning_lossmeta.families import TaylorFamily


def _message(path):
    with pytest.raises(ArtifactError) as caught:
        Artifact.load(path)
    assert str(caught.value).startswith(f"'{path}': expected")
    return str(caught.value)


def _checkpoint():
    buffer = io.BytesIO()
    torch.save({"weight": torch.zeros(3)}, buffer)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (_checkpoint(), "a zip archive, as PyTorch checkpoints are"),
        (pickle.dumps({"theta": [1.0]}), "a pickle"),
        (pickle.dumps({"theta": [1.0]}, protocol=2), "a pickle"),
        (b"\x89PNG\r\n\x1a\n\x00\x00", "a PNG picture"),
        (b"\x1f\x8b\x08\x00", "a gzip archive"),
        (b"<!DOCTYPE html>\n<html>", r"a web page (HTML)"),
        (b"\n <html lang='en'>", "a web page (HTML)"),
        (yaml.safe_dump({"model": {"class_path": "a.B"}}).encode(), "YAML"),
        (b"# pytorch_lightning==2.6\nseed_everything: 1\n", "YAML"),
        (b"---\nfitness: 1\n", "YAML"),
        (b"generation,index,status\n0,1,ok\n", "a table (CSV)"),
        (b"0.1,0.2,0.3", "a table (CSV)"),
        (b"hello", "other text"),
        (b"\xff\xfe{\x00}\x00", "a binary file"),
        (b"\x00" * 100, "other text"),
        (b"\x83\xf1\x07\x91\xaa\x1e\xd3\x05" + b"\xff\x80\xfe" * 50, ""),
    ],
)
def test_files_of_other_kinds_are_named(tmp_path, content, kind):
    path = tmp_path / "best.json"
    path.write_bytes(content)
    assert kind in _message(path)


def test_a_file_of_100_megabytes_is_not_read(tmp_path):
    path = tmp_path / "best.json"
    path.touch()
    os.truncate(path, 100 * 2**20)
    assert "at most 16 MiB, got 100.0 MiB" in _message(path)


def test_a_large_checkpoint_is_called_one(tmp_path):
    path = tmp_path / "model.ckpt"
    path.write_bytes(_checkpoint())
    os.truncate(path, 100 * 2**20)
    assert "PyTorch checkpoints" in _message(path)


def test_no_file_and_a_folder(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"at '.*none\.json', found none"):
        Artifact.load(tmp_path / "none.json")
    with pytest.raises(FileNotFoundError, match="found a folder"):
        Artifact.load(tmp_path)


def test_a_byte_order_mark_does_no_harm(tmp_path):
    artifact = Artifact(TaylorFamily(), Candidate(None, (0.5,) * 8))
    path = tmp_path / "best.json"
    path.write_text(artifact.to_json(), encoding="utf-8-sig")
    assert Artifact.load(path) == artifact
