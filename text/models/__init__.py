"""Models of ``text``: networks whose classes, options and keys are those of Hugging Face.

    get_model, list_models     any of them by name
    bert_base, gpt2, ...       a builder for every name in ``list_models()``
    bert, roberta, distilbert  encoders, with heads for masked words, classes and answers
    gpt                        GPT-2, which writes
    from_config, to_config     config.json to a model's name and options, and back
    convert, to_checkpoint     a published checkpoint to a model's state, and back
    outputs                    what the models return

>>> from sensorium.text import models
>>> models.minilm_l6(num_hidden_layers=1).encoder.layer[0].attention.self.query
Linear(in_features=384, out_features=384, bias=True)
"""

from __future__ import annotations

from sensorium.hub.builders import Builder

from . import outputs as outputs
from ._huggingface import (
    convert as convert,
    from_config as from_config,
    to_checkpoint as to_checkpoint,
    to_config as to_config,
)
from ._model import TextModel as TextModel
from ._registry import (
    builder,
    families as families,
    get_model as get_model,
    list_models as list_models,
    model_config as model_config,
    register as register,
)
from .bert import (
    BertConfig as BertConfig,
    BertForMaskedLM as BertForMaskedLM,
    BertForQuestionAnswering as BertForQuestionAnswering,
    BertForSequenceClassification as BertForSequenceClassification,
    BertForTokenClassification as BertForTokenClassification,
    BertModel as BertModel,
)
from .distilbert import (
    DistilBertConfig as DistilBertConfig,
    DistilBertForMaskedLM as DistilBertForMaskedLM,
    DistilBertForQuestionAnswering as DistilBertForQuestionAnswering,
    DistilBertForSequenceClassification as DistilBertForSequenceClassification,
    DistilBertForTokenClassification as DistilBertForTokenClassification,
    DistilBertModel as DistilBertModel,
)
from .gpt import (
    GPT2Config as GPT2Config,
    GPT2LMHeadModel as GPT2LMHeadModel,
    GPT2Model as GPT2Model,
)
from .roberta import (
    RobertaConfig as RobertaConfig,
    RobertaForMaskedLM as RobertaForMaskedLM,
    RobertaForQuestionAnswering as RobertaForQuestionAnswering,
    RobertaForSequenceClassification as RobertaForSequenceClassification,
    RobertaForTokenClassification as RobertaForTokenClassification,
    RobertaModel as RobertaModel,
)


def __getattr__(name: str) -> Builder:
    if name in list_models():
        return builder(name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *list_models()])
