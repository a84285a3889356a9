"""How readable the procedural house numbers are: a small network trained on 30,000 of them reads 10,000 others.

usage: python benchmarks/house_numbers.py [--epochs 5] [--svhn FOLDER]

With ``--svhn`` the network also reads the real test photographs of SVHN (``test_32x32.mat`` in FOLDER): how far the
imitation carries over. Takes some minutes on one core.
"""

import argparse
import time
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from tqdm import tqdm

from pimvae.data._house_numbers import house_numbers

TRAIN, HELD_OUT, BATCH = 30_000, 10_000, 128


def network() -> nn.Module:
    """Three convolutions of 24, 48 and 96 channels and one hidden layer."""
    layers: list[nn.Module] = []
    for inputs, outputs in ((3, 24), (24, 48), (48, 96)):
        layers += [nn.Conv2d(inputs, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()]
        layers += [nn.MaxPool2d(2)]
    return nn.Sequential(*layers, nn.Flatten(), nn.Dropout(0.3), nn.Linear(96 * 16, 128), nn.ReLU(), nn.Linear(128, 10))


def scaled(pictures: np.ndarray) -> Tensor:
    """Each picture with zero mean and unit variance: contrast and brightness are no digit's mark."""
    x = torch.from_numpy(pictures).float()
    return (x - x.mean((1, 2, 3), keepdim=True)) / (x.std((1, 2, 3), keepdim=True) + 4)


def train(net: nn.Module, pictures: np.ndarray, digits: np.ndarray, epochs: int) -> None:
    """Adam with a one-cycle schedule."""
    steps = epochs * (len(pictures) // BATCH)
    optimiser = torch.optim.AdamW(net.parameters(), 1e-3, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 4e-3, total_steps=steps)
    target = torch.from_numpy(digits)
    net.train()
    for _ in tqdm(range(epochs), unit="epoch"):
        for rows in torch.randperm(len(pictures)).split(BATCH)[: len(pictures) // BATCH]:
            loss = nn.functional.cross_entropy(net(scaled(pictures[rows.numpy()])), target[rows])
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()


@torch.no_grad()
def accuracy(net: nn.Module, pictures: np.ndarray, digits: np.ndarray) -> float:
    """Share of pictures that are read right."""
    net.eval()
    read = torch.cat([net(scaled(part)).argmax(1) for part in np.array_split(pictures, max(1, len(pictures) // 500))])
    return float((read.numpy() == digits).mean())


def main() -> None:
    """Draw, train, read, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--svhn", type=Path, help="folder with test_32x32.mat")
    options = parser.parse_args()
    torch.manual_seed(0)
    started = time.process_time()
    pictures, digits = house_numbers(stream=100, count=TRAIN + HELD_OUT)
    print(f"{(TRAIN + HELD_OUT) / (time.process_time() - started):.0f} pictures per CPU second")
    net = network()
    started = time.process_time()
    train(net, pictures[:TRAIN], digits[:TRAIN], options.epochs)
    print(f"trained on {TRAIN} in {time.process_time() - started:.0f} CPU seconds")
    print(f"held-out house numbers read: {accuracy(net, pictures[TRAIN:], digits[TRAIN:]):.2%} of {HELD_OUT}")
    if options.svhn:
        from pimvae.data._downloads import locate
        from pimvae.data._mnist_svhn import read_mat

        photographs, labels = read_mat(locate("test_32x32.mat", options.svhn))
        print(f"real photographs read: {accuracy(net, photographs, labels):.2%} of {len(labels)}")


if __name__ == "__main__":
    main()
