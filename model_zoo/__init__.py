"""The zoo that ``sensorium.hub`` finds: cards, builders, preprocessing and pipelines.

    cards/*.json   what is published, one file a family (schema: ``sensorium.hub.cards``)
    weights/       the one embedded model and the data it is shown with
    pipelines      from an input to labelled results, one class a task
    cli            the command ``sensorium``

``zoo`` is the entry point of the group ``sensorium.zoo``. Importing it reads nothing; a domain
(``sensorium.vision``) is imported when one of its models is built.
"""

from __future__ import annotations

from ._zoo import zoo as zoo
