"""Image datasets: empty for now; they arrive under torchvision's names."""
