"""``sensorium demo``: it sees, reads and hears, in the terminal and on a page.

    command  the arguments, the three parts in turn, the page and the document
    see      photographs and their labels; without a network, embedded digits
    read     the sentence closest to a query
    hear     a recorded sentence, where it is spoken and what it says

Each part fetches what it needs through the hub. One that cannot says so; the others go on.
"""

from __future__ import annotations

from .command import add as add, run as run
