"""The prior learns the order of codes, and draws them one after the other as the whole transformer would."""

import torch

from gandlf_synth.networks.code_prior import CodePrior


def prior_of(num_classes: int = 0, dropout: float = 0.1) -> CodePrior:
    torch.manual_seed(0)
    return CodePrior(
        num_codes=8, grid=(6,), num_classes=num_classes, channels=8, num_layers=1, num_heads=2, dropout=dropout
    )


def test_the_prior_learns_the_order_of_codes_and_their_class() -> None:
    prior = prior_of(num_classes=2)
    rows = torch.tensor([[0, 1, 2, 3, 4, 5], [5, 4, 3, 2, 1, 0]])
    optimizer = torch.optim.Adam(prior.parameters(), 0.02)
    for _ in range(150):
        optimizer.zero_grad()
        prior.loss(rows, torch.tensor([0, 1])).backward()
        optimizer.step()

    generators = [torch.Generator().manual_seed(seed) for seed in range(2)]
    with torch.inference_mode():
        sampled = prior.sample(torch.tensor([1, 0]), generators, temperature=0.1, top_k=None)

    assert sampled.tolist() == [[5, 4, 3, 2, 1, 0], [0, 1, 2, 3, 4, 5]]


def test_while_it_learns_the_prior_sees_codes_before_that_are_not_always_right() -> None:
    torch.manual_seed(0)
    prior = prior_of(dropout=0.5)
    codes = torch.randint(8, (4, prior.length))

    prior.train()
    learning = [prior.loss(codes, None).item() for _ in range(3)]
    prior.eval()
    applied = [prior.loss(codes, None).item() for _ in range(3)]

    assert len(set(learning)) == 3
    assert len(set(applied)) == 1


def test_the_likeliest_codes_are_those_of_the_transformer_that_sees_all_before() -> None:
    prior = prior_of(num_classes=2).eval()
    labels = torch.tensor([0, 1, 1])
    generators = [torch.Generator().manual_seed(seed) for seed in range(3)]

    with torch.inference_mode():
        sampled = prior.sample(labels, generators, 1.0, top_k=1)
        whole = prior.transformer(torch.cat([8 + labels[:, None], sampled[:, :-1]], dim=1))[..., :8]

    assert torch.equal(sampled, whole.argmax(2))
