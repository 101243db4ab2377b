"""Add or concatenate two towers? A PyTorch network as people write one, asked, switched and trained on.

The towers share their weights, so their sum cannot tell left from right. Run: python examples/torch_two_tower.py
"""

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import addcat

torch.set_num_threads(1)


class TwoTower(nn.Module):
    """Which of two items is rated higher: one tower for both, their outputs added."""

    def __init__(self):
        super().__init__()
        self.tower = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 16))
        self.head = nn.Sequential(nn.Linear(16, 16), nn.ReLU(), nn.Linear(16, 2))

    def forward(self, left, right):
        return self.head(self.tower(left) + self.tower(right))


def loader(count, seed, shuffle=True):
    torch.manual_seed(seed)
    left, right = torch.randn(count, 8), torch.randn(count, 8)
    data = TensorDataset(left, right, (left[:, 0] > right[:, 0]).long())
    return DataLoader(data, batch_size=64, shuffle=shuffle)


def train(model, data, epochs):
    optimizer = torch.optim.AdamW(model.parameters(), 3e-3)
    for _ in range(epochs):
        for left, right, label in data:
            optimizer.zero_grad()
            nn.functional.cross_entropy(model(left, right), label).backward()
            optimizer.step()


def loss(model, data):
    with torch.no_grad():
        return sum(nn.functional.cross_entropy(model(a, b), y).item() for a, b, y in data) / len(data)


def main():
    fit, held = loader(1024, 0), loader(512, 1, shuffle=False)
    torch.manual_seed(0)
    model = TwoTower()
    train(model, fit, 10)
    advice = addcat.advise(
        model,
        fit,
        validation=held,
        loss=nn.CrossEntropyLoss(),
        optimizer=lambda parameters: torch.optim.AdamW(parameters, 3e-3),
        epochs=10,
        effort="retrain",
        factory=TwoTower,
    )
    print(advice.verdicts[0].reason)
    left, right, _ = next(iter(held))
    switched = addcat.switch(model, {"add": "concat"}, example_inputs=(left, right))
    before = loss(switched.model, held)
    train(switched.model, fit, 10)  # an optimiser made after the switch
    print(
        f"Switched: held-out loss {loss(model, held):.3f} -> {before:.3f}, "
        f"trained on -> {loss(switched.model, held):.3f}"
    )


if __name__ == "__main__":
    main()
