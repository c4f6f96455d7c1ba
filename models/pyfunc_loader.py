"""How MLflow's own tools load a registered model: copied into the artefact, so that no class path of ours is baked in.

Takes rows of `WINDOW_GRAPHS` as JSON text, one a row; gives attack_prob. Needs Logster installed beside MLflow.
"""

import json
from datetime import datetime
from pathlib import Path
from typing import Any

__all__: list[str] = []


class _Scorer:
    def __init__(self, path: Path) -> None:
        from models.scoring import double_precision
        from models.weights import load_model

        self._model = double_precision(load_model(path))

    def predict(self, model_input: Any, params: dict[str, Any] | None = None) -> Any:  # noqa: ANN401
        """Score windows; a frame with the column ``window_graph``."""
        import pandas as pd

        from models.scoring import score_graphs
        from models.tensors import WindowGraph

        graphs = [WindowGraph.from_row(_with_times(json.loads(text))) for text in model_input["window_graph"]]
        return pd.DataFrame({"attack_prob": [score.attack_prob for score in score_graphs(self._model, graphs)]})


def _with_times(row: dict[str, Any]) -> dict[str, Any]:
    edges = [{**edge, "ts": datetime.fromisoformat(edge["ts"])} for edge in row["edges"]]
    starts = {name: datetime.fromisoformat(row[name]) for name in ("window_start", "window_end")}
    return {**row, **starts, "edges": edges}


def _load_pyfunc(path: str) -> _Scorer:
    return _Scorer(Path(path))
