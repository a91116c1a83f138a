"""A small residual network and its training loop, as one writes them for PyTorch.

The tests run this file twice: as it is, and with ``torch`` read as ``sensorium``.
"""

import torch
import torch.nn as nn  # noqa: PLR0402  (as many programs have it)
import torch.nn.functional as F
from torch.optim import SGD
from torch.optim.lr_scheduler import OneCycleLR
from torch.utils.data import DataLoader, Dataset, TensorDataset


def conv3x3(a: int, b: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(a, b, kernel_size=3, stride=stride, padding=1, bias=False)


class BasicBlock(nn.Module):
    expansion: int = 1

    def __init__(self, inplanes: int, planes: int, stride: int = 1) -> None:
        super().__init__()
        self.conv1, self.bn1 = conv3x3(inplanes, planes, stride), nn.BatchNorm2d(planes)
        self.conv2, self.bn2 = conv3x3(planes, planes), nn.BatchNorm2d(planes)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = None
        if stride != 1 or inplanes != planes:
            self.downsample = nn.Sequential(
                nn.Conv2d(inplanes, planes, 1, stride, bias=False), nn.BatchNorm2d(planes)
            )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        identity = x if self.downsample is None else self.downsample(x)
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        out += identity
        return self.relu(out)


class SmallResNet(nn.Module):
    def __init__(self, classes: int = 10) -> None:
        super().__init__()
        self.stem = nn.Sequential(conv3x3(3, 4), nn.BatchNorm2d(4), nn.ReLU(inplace=True))
        self.pool = nn.MaxPool2d(3, stride=2, padding=1)
        layers: list[nn.Module] = []
        for inplanes, planes, stride in [(4, 4, 1), (4, 8, 2), (8, 16, 2)]:
            layers.append(BasicBlock(inplanes, planes, stride))
        self.layers = nn.Sequential(*layers)
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.dropout = nn.Dropout(p=0.0)
        self.fc = nn.Linear(16, classes)
        for m in self.modules():
            if isinstance(m, nn.Conv2d):
                nn.init.kaiming_normal_(m.weight, mode="fan_out", nonlinearity="relu")
            elif isinstance(m, nn.BatchNorm2d):
                nn.init.constant_(m.weight, 1)
                nn.init.constant_(m.bias, 0)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.layers(self.pool(self.stem(x)))
        return self.fc(self.dropout(torch.flatten(self.avgpool(x), 1)))


def images(count: int, dtype: torch.dtype) -> Dataset:
    """Striped images whose direction and colour are their class, with noise that needs no seed."""
    place = torch.arange(8, dtype=torch.float64)
    y, x = torch.meshgrid(place, place, indexing="ij")
    labels = torch.arange(count) % 10
    angle = labels.to(torch.float64) * (torch.pi / 10)
    stripes = torch.sin(
        0.8 * (x * angle.cos()[:, None, None] + y * angle.sin()[:, None, None])
        + torch.arange(count)[:, None, None]
    )
    noise = (torch.arange(count * 64) * 1103515245 + 12345) % 2147483647 % 1000 / 1000.0
    noise = noise.to(torch.float64).reshape(count, 8, 8)
    pictures = torch.stack([stripes, stripes * noise, noise], dim=1)
    return TensorDataset(pictures.to(dtype), labels)


def build(dtype: str = "float32"):
    kind = getattr(torch, dtype)
    return images(160, kind), SmallResNet().to(dtype=kind)


def train(data, model, steps: int = 50) -> list[float]:
    """The losses of the steps."""
    optimizer = SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=5e-4, nesterov=True)
    schedule = OneCycleLR(optimizer, max_lr=0.1, total_steps=steps)
    losses: list[float] = []
    model.train()
    while len(losses) < steps:
        for inputs, labels in DataLoader(data, batch_size=16, shuffle=False):
            optimizer.zero_grad()
            loss = F.cross_entropy(model(inputs), labels, label_smoothing=0.1)
            loss.backward()
            optimizer.step()
            schedule.step()
            losses.append(loss.item())
            if len(losses) == steps:
                break
    return losses


def evaluate(data, model) -> float:
    """The share of right answers."""
    model.eval()
    right = total = 0
    with torch.inference_mode():
        for inputs, labels in DataLoader(data, batch_size=64):
            right += (model(inputs).argmax(1) == labels).sum().item()
            total += labels.size(0)
    return right / total
