import pytest
import torch

from semantic_pivots.models import distribution
from semantic_pivots.models.distribution import normaliser_of, softmax_


@pytest.mark.parametrize("size", [1, 3, 255, 256, 257, 1000, 49152])
@pytest.mark.parametrize("rows_bytes", [1, 1 << 20])
def test_equals_torch(size: int, rows_bytes: int, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(distribution, "_ROWS_BYTES", rows_bytes)
    logits = 20 * torch.randn(11, size, generator=torch.Generator().manual_seed(size))
    logits[2, size // 2] = -torch.inf
    normaliser = normaliser_of(logits)
    if size > 1:
        torch.testing.assert_close(normaliser, logits.double().logsumexp(-1).float(), rtol=2e-7, atol=2e-6)
        probs = logits.clone()
        torch.testing.assert_close(softmax_(probs), normaliser)
        torch.testing.assert_close(probs, logits.double().softmax(-1).float(), rtol=1e-5, atol=1e-12)
