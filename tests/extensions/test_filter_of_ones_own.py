"""A filter is one callback: here one that rejects steep losses, without any other change."""

from small_search import history, small_search

from lightning_lossmeta import Evaluation, MetaCallback, Status


class SteepnessFilter(MetaCallback):
    """Rejects losses with a coefficient above a limit."""

    def __init__(self, limit=1.5):
        self.limit = limit

    def screen(self, candidate, loss):
        steepest = max(map(abs, candidate.theta))
        if steepest <= self.limit:
            return None
        message = f"steepest coefficient {steepest:.3g}"
        return Evaluation(candidate, status=Status.REJECTED, message=message)


def test_it_judges_before_training(tmp_path):
    small_search(tmp_path / "run", callbacks=[SteepnessFilter(2.3)])
    rows = history(tmp_path / "run")
    steep = [max(abs(float(v)) for v in row["theta"].split()) > 2.3 for row in rows]
    assert 0 < sum(steep) < len(rows)
    assert [row["status"] == "rejected" for row in rows] == steep
    assert {row["filter"] for row in rows if row["status"] == "rejected"} == {"SteepnessFilter"}
    assert all(row["trainings"] == "0" for row in rows if row["status"] == "rejected")
