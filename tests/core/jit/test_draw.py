"""Pictures of graphs: well-formed, complete, nothing over anything else, every arrow from box to box."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from itertools import combinations, pairwise
from typing import NamedTuple

import numpy as np
import pytest

import sensorium as sn
from sensorium import nn, optim
from sensorium.jit import training_step
from sensorium.jit.boxes import boxes_of, quantity
from sensorium.jit.cost import arithmetic, traffic
from sensorium.jit.draw import dot, draw
from sensorium.jit.passes import optimise
from sensorium.jit.tracing import trace
from sensorium.nn import functional as F

SVG = "{http://www.w3.org/2000/svg}"


class Rect(NamedTuple):
    x: float
    y: float
    width: float
    height: float
    text: str


def graph_of(function, *arrays, passes=True):
    graph = trace(function, arrays, {}).graph
    return optimise(graph) if passes else graph


def rects(root):
    """Every box with its text."""
    found = []
    for group in root.iter(f"{SVG}g"):
        rect = group.find(f"{SVG}rect[@class='box']")
        sizes = (float(rect.get(name)) for name in ("x", "y", "width", "height"))
        found.append(Rect(*sizes, "\n".join(t.text or "" for t in group.iter(f"{SVG}text"))))
    return found


def paths(root):
    """The way of every arrow as its end points in order."""
    found = []
    for path in root.findall(f"{SVG}path"):
        points = []
        for letter, numbers in re.findall(r"([MVC])([^MVC]*)", path.get("d")):
            values = [float(n) for n in numbers.split()]
            points.append((points[-1][0], values[0]) if letter == "V" else tuple(values[-2:]))
        found.append(points)
    return found


def apart(a, b):
    return (
        a.x + a.width <= b.x
        or b.x + b.width <= a.x
        or a.y + a.height <= b.y
        or b.y + b.height <= a.y
    )


def check(graph):
    """The laws that hold for every picture."""
    root = ET.fromstring(draw(graph))
    boxes, arrows, wanted = rects(root), paths(root), boxes_of(graph)
    assert [box.text.split("\n")[0] for box in boxes] == [box.lines[0] for box in wanted]
    assert all(apart(a, b) for a, b in combinations(boxes, 2))
    width, height = float(root.get("width")), float(root.get("height"))
    for box in boxes:
        assert box.x >= 0
        assert box.x + box.width <= width
        assert box.y + box.height <= height
    assert len(arrows) == sum(len(box.sources) for box in wanted)
    for arrow in arrows:
        check_ends(arrow, boxes)
        for (x, y), (to_x, to_y) in pairwise(arrow):
            if x == to_x:
                assert not any(crosses(x, y, to_y, box) for box in boxes)


def check_ends(arrow, boxes):
    """It leaves the bottom of a box, enters the top of another, and goes down all the way."""
    (x, y), (to_x, to_y) = arrow[0], arrow[-1]
    assert any(abs(b.y + b.height - y) < 0.2 and b.x <= x <= b.x + b.width for b in boxes)
    assert any(abs(b.y - to_y) < 0.2 and b.x <= to_x <= b.x + b.width for b in boxes)
    heights = [point[1] for point in arrow]
    assert heights == sorted(heights)


def crosses(x, y, to_y, box):
    """Whether a line straight down goes through the inside of a box."""
    inside = box.x < x < box.x + box.width
    return inside and y < box.y + box.height - 0.2 and to_y > box.y + 0.2


# -- pictures ------------------------------------------------------------------------------------
@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("passes", [False, True])
def test_random_graphs_are_drawn(graphs, seed, passes):
    recipe = graphs.Recipe(seed, steps=14)
    with sn.no_grad():
        check(graph_of(recipe, *recipe.arguments(), passes=passes))


def test_a_deep_graph_is_one_column():
    """Residual arrows run beside it."""
    layers = [nn.Conv2d(4, 4, 3, padding=1) for _ in range(60)]

    def forward(x):
        for first, second in zip(layers[::2], layers[1::2]):
            x = F.relu(second(F.relu(first(x))) + x)
        return x

    with sn.no_grad():
        graph = graph_of(forward, sn.randn(1, 4, 6, 6))
    check(graph)
    boxes = rects(ET.fromstring(draw(graph)))
    assert len(boxes) == 62
    assert np.ptp([box.x + box.width / 2 for box in boxes]) < 0.2


def test_branches_stand_beside_each_other():
    def forward(x):
        return sn.cat([x.exp(), x.cumsum(0), x.sinh(), x], 0)

    graph = graph_of(forward, sn.randn(3, 4))
    check(graph)
    rows = {box.text.split("\n")[0]: box.y for box in rects(ET.fromstring(draw(graph)))}
    assert rows["exp"] == rows["cumsum"] == rows["sinh"] > rows["%x"]


def test_a_box_says_what_its_node_is():
    net = nn.Sequential(nn.Conv2d(3, 8, 3, stride=2), nn.BatchNorm2d(8), nn.ReLU()).eval()
    with sn.no_grad():
        root = ET.fromstring(draw(graph_of(net, sn.randn(1, 3, 9, 9))))
    (text,) = [box.text for box in rects(root) if box.text.startswith("conv")]
    flops = 2 * (8 * 4 * 4) * (3 * 3 * 3)
    size = 4 * (3 * 81 + 8 * 27 + 5 * 8 + 8 * 16)
    assert text.split("\n") == [
        "conv 3x3 /2",
        "bias, norm, relu",
        "%1: float32[1, 8, 4, 4]",
        f"{flops / 1000:.1f} kFLOP, {size / 1024:.2f} KB",
    ]


def test_views_are_small_and_constants_are_counted():
    weight = sn.randn(6, 4)
    graph = graph_of(lambda x: (x.reshape(2, 6) @ weight).T, sn.randn(3, 4))
    root = ET.fromstring(draw(graph))
    heights = {box.text.split(" ")[0]: box.height for box in rects(root)}
    assert heights["reshape"] < heights["product"]
    assert "1 constants of 96 B" in next(root.iter(f"{SVG}text")).text
    assert not any("%c1" in box.text for box in rects(root))


def test_writes_and_results_have_boxes():
    counter = sn.zeros(3)

    def forward(x):
        counter.add_(x)
        return x * 2, counter * 3

    graph = graph_of(forward, sn.ones(3))
    check(graph)
    firsts = [box.text.split("\n")[0] for box in rects(ET.fromstring(draw(graph)))]
    assert firsts[-2].startswith("write %c1 = %")
    assert firsts[-1] == "return"


def test_a_graph_without_nodes():
    check(graph_of(lambda x: x, sn.ones(2)))
    constant = sn.ones(2)
    check(graph_of(lambda x: constant, sn.ones(2)))


def test_names_are_escaped():
    graph = graph_of(lambda x: x + 1, sn.ones(2))
    graph.name = graph.inputs[0].name = '<b> & "c"'
    check(graph)
    assert ET.fromstring(draw(graph)).find(f"{SVG}title").text == 'Graph of <b> & "c"'
    assert dot(graph).startswith('digraph "<b> & \\"c\\"" {')


# -- Graphviz ------------------------------------------------------------------------------------
def test_dot_has_the_same_boxes_and_arrows():
    def forward(x):
        return F.relu(x @ x) + x

    graph = graph_of(forward, sn.randn(4, 4))
    text, boxes = dot(graph), boxes_of(graph)
    assert len(re.findall(r"^  n\d+ \[label=", text, re.MULTILINE)) == len(boxes)
    arrows = {(int(a), int(b)) for a, b in re.findall(r"n(\d+) -> n(\d+)", text)}
    numbers = {box: i for i, box in enumerate(boxes)}
    assert arrows == {(numbers[s], numbers[box]) for box in boxes for s in box.sources}


def test_the_files_name_says_which(tmp_path):
    graph = graph_of(sn.relu, sn.ones(2))
    graph.draw(tmp_path / "graph.svg")
    graph.draw(str(tmp_path / "graph.dot"))
    assert (tmp_path / "graph.svg").read_text() == draw(graph) == graph._repr_svg_()
    assert (tmp_path / "graph.dot").read_text() == dot(graph) + "\n"


# -- what nodes cost -----------------------------------------------------------------------------
def counted(function, *arrays, passes=True):
    graph = graph_of(function, *arrays, passes=passes)
    return sum(map(arithmetic, graph.nodes))


@pytest.mark.parametrize("passes", [False, True])
@pytest.mark.parametrize("groups", [1, 2, 4])
def test_a_convolutions_arithmetic_is_its_loops(groups, passes):
    """Two for every tap of every channel of a group, counted one by one."""
    x, weight = sn.randn(2, 4, 7, 5), sn.randn(8, 4 // groups, 3, 2)
    y = F.conv2d(x, weight, groups=groups)
    count = sum(2 for _ in np.ndindex(*y.shape) for _ in np.ndindex(*weight.shape[1:]))
    assert counted(lambda x: F.conv2d(x, weight, groups=groups), x, passes=passes) == count


def test_a_transposed_convolutions_arithmetic():
    x, weight = sn.randn(1, 6, 5, 5), sn.randn(6, 4, 3, 3)
    assert counted(lambda x: F.conv_transpose2d(x, weight), x) == 2 * x.numel() * 4 * 3 * 3


def test_a_weights_gradient_takes_what_the_convolution_takes():
    x, net = sn.randn(2, 4, 7, 7), nn.Conv2d(4, 6, 3, groups=2)

    def loss(x):
        return net(x).sum()

    step = training_step(loss, optim.SGD(net.parameters(), lr=0.1))
    step(x)
    (graph,) = step.graphs
    check(graph)
    forward, backward = (
        sum(map(arithmetic, (n for n in graph.nodes if n.name == name)))
        for name in ("conv", "_conv_weight_grad")
    )
    assert forward == backward == 2 * (2 * 6 * 5 * 5) * (2 * 3 * 3)


@pytest.mark.parametrize("passes", [False, True])
def test_a_products_arithmetic(passes):
    x, y = sn.randn(3, 4, 5), sn.randn(3, 5, 6)
    assert counted(sn.matmul, x, y, passes=passes) == 2 * 3 * 4 * 5 * 6
    weight, bias = sn.randn(7, 5), sn.randn(7)
    assert counted(lambda x: F.linear(x, weight, bias), x, passes=passes) == 2 * 3 * 4 * 5 * 7


def test_attentions_arithmetic_is_its_two_products():
    q, k, v = sn.randn(2, 3, 5, 8), sn.randn(2, 3, 7, 8), sn.randn(2, 3, 7, 4)
    two = 2 * (2 * 3) * (5 * 7 * 8 + 5 * 7 * 4)
    assert counted(F.scaled_dot_product_attention, q, k, v) == two


def test_traffic_reads_each_value_once_and_nothing_for_a_view():
    graph = graph_of(lambda x: (x * x).reshape(6), sn.ones(2, 3), passes=False)
    assert [traffic(node) for node in graph.nodes] == [2 * 24, 0]


def test_quantities():
    assert [quantity(n) for n in (999, 1e3, 2.5e6, 3e9, 4.2e12)] == [
        "999 ", "1.0 k", "2.5 M", "3.0 G", "4.2 T",
    ]  # fmt: skip
