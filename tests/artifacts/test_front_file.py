import json

import pytest

from lightning_lossmeta.artifacts import ArtifactError, FrontFile, FrontMember, UsualScores

FRONT = FrontFile(
    (("val_accuracy", "max"), ("val_loss", "min")),
    (
        FrontMember("front/00.json", 3, "h - y", (0.9, 1 / 3), (0.85, 0.4)),
        FrontMember("front/01.json", 0, "h", (0.8, 0.1)),
    ),
    1,
    (0.1, 2.5),
    (0.0, 0.75),
    (UsualScores("cross-entropy", 0.3, (0.7, 0.3)),),
)


def test_what_is_written_comes_back(tmp_path):
    for front in (FRONT, FrontFile(FRONT.objectives)):
        front.save(tmp_path / "front.json")
        assert FrontFile.load(tmp_path / "front.json") == front


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("format", "lightning_lossmeta/loss", "the front of a search"),
        ("version", 2, "version 1"),
        ("knee", 2, "a member's position or null, got 2"),
        ("knee", True, "a member's position or null, got True"),
        ("objectives", [["a", "most"]], "'max' or 'min'"),
        ("objectives", None, "to be a list"),
        ("members", [{"file": "x"}], "a member"),
        ("members", [json.loads(json.dumps(FRONT.members[0].__dict__)) | {"scores": [1.0]}], "2"),
        ("members", [json.loads(json.dumps(FRONT.members[0].__dict__)) | {"file": 3}], "text"),
        ("reference", [1.0], "`reference` to hold 2 numbers, got 1"),
        ("usual", [{"name": "CE", "factor": 1.0, "scores": []}], "'CE' to hold 2 numbers, got 0"),
        ("usual", [{"name": 1, "factor": 1.0, "scores": []}], "text, got 1"),
        ("hypervolumes", ["x"], "a number"),
        ("further", 1, "further"),
    ],
)
def test_a_damaged_file_says_what_is_wrong_with_it(tmp_path, key, value, words):
    path = tmp_path / "front.json"
    FRONT.save(path)
    path.write_text(json.dumps(json.loads(path.read_text()) | {key: value}))
    with pytest.raises(ArtifactError) as refusal:
        FrontFile.load(path)
    assert words in str(refusal.value)
    assert str(path) in str(refusal.value)


def test_other_files_are_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="front of a search"):
        FrontFile.load(tmp_path)
    (tmp_path / "front.json").write_text("[1, 2")
    with pytest.raises(ArtifactError):
        FrontFile.load(tmp_path / "front.json")
