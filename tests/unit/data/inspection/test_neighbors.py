"""The tree finds what a comparison of all pairs finds."""

import numpy as np
import pytest

from gandlf_synth.data.inspection.neighbors import NearIndex

CLOSENESS = 0.985


def unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@pytest.mark.parametrize("kind", ["far apart", "in one crowd", "along a line"])
def test_every_vector_with_a_like_one_before_it_is_found_within_and_across_groups(kind: str) -> None:
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(300, 60))
    if kind == "in one crowd":
        vectors = 1 + 0.12 * vectors
    elif kind == "along a line":
        vectors = np.linspace(0, 4, 300)[:, None] * vectors[:1] + vectors[1:2]
    vectors[200:220] = vectors[:20] + 0.05 * vectors[20:40]
    vectors = unit(vectors)
    groups = np.repeat([0, 1, 2], 100)
    alike = np.tril(vectors @ vectors.T > CLOSENESS, -1)
    same = groups[:, None] == groups

    matches = list(NearIndex(vectors, groups.tolist(), CLOSENESS).earlier_matches(vectors))

    assert all(alike[later, earlier] and same[later, earlier] == within for earlier, later, within in matches)
    for within, pairs in ((True, alike & same), (False, alike & ~same)):
        assert sorted(later for _, later, own in matches if own == within) == np.flatnonzero(pairs.any(axis=1)).tolist()
