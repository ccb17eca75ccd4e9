"""Layers: what models are made of.

>>> from lamina import layers
>>> layers.Dense(4)(layers.Input((3,))).shape
(None, 4)
"""

from lamina.core.layer import Layer
from lamina.core.spec import InputSpec
from lamina.layers.activation import Activation, ReLU, Softmax
from lamina.layers.conv import Conv2D
from lamina.layers.dense import Dense
from lamina.layers.dropout import Dropout
from lamina.layers.embedding import Embedding
from lamina.layers.function import Lambda
from lamina.layers.global_pooling import GlobalAveragePooling1D
from lamina.layers.input import Input, InputLayer
from lamina.layers.pooling import MaxPooling2D
from lamina.layers.reshaping import Flatten, Reshape

Convolution2D = Conv2D
MaxPool2D = MaxPooling2D
GlobalAvgPool1D = GlobalAveragePooling1D

__all__ = [
    "Activation",
    "Conv2D",
    "Convolution2D",
    "Dense",
    "Dropout",
    "Embedding",
    "Flatten",
    "GlobalAveragePooling1D",
    "GlobalAvgPool1D",
    "Input",
    "InputLayer",
    "InputSpec",
    "Lambda",
    "Layer",
    "MaxPool2D",
    "MaxPooling2D",
    "ReLU",
    "Reshape",
    "Softmax",
]
