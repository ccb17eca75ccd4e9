"""The mathematics: pure functions of arrays and plain values, one module a topic.

Nothing here knows layers, models or settings. Import the module that is needed:
``from lamina.ops import conv`` or ``from lamina.ops.linear import dot_last``.
"""
