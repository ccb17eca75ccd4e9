"""Layers and models of your own, by subclassing.

python examples/subclassing.py                  # MNIST, fetched once
python examples/subclassing.py --data digits    # comes with the package
"""

import argparse

import jax.numpy as jnp

import lamina
from lamina import layers


class Scale(layers.Layer):
    """Multiply each feature by a weight of its own. `call` may use ``jax.numpy`` as it is."""

    def __init__(self, initial=1.0, **options):
        super().__init__(**options)
        self.initial = initial

    def build(self, input_shape):
        start = lamina.initializers.Constant(self.initial)
        self.scale = self.add_weight(name="scale", shape=(input_shape[-1],), initializer=start)

    def call(self, inputs):
        return inputs * jnp.broadcast_to(self.scale, inputs.shape)

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        return {**super().get_config(), "initial": self.initial}


class Residual(layers.Layer):
    """Two dense layers with a jump over them; layers hold layers."""

    def __init__(self, units, rate=0.2, **options):
        super().__init__(**options)
        self.units, self.rate = units, rate
        self.first = layers.Dense(units, activation="relu")
        self.second = layers.Dense(units)
        self.scale = Scale(0.5)
        self.dropout = layers.Dropout(rate)

    def call(self, inputs, training=None):
        x = self.scale(self.second(self.first(inputs)))
        return inputs + self.dropout(x, training=training)

    def get_config(self):
        return {**super().get_config(), "units": self.units, "rate": self.rate}


class Classifier(lamina.Model):
    """A model that is a Python class: `call` says what happens."""

    def __init__(self, classes, **options):
        super().__init__(**options)
        self.flatten = layers.Flatten()
        self.entry = layers.Dense(64, activation="relu")
        self.blocks = [Residual(64), Residual(64)]
        self.scores = layers.Dense(classes)

    def call(self, inputs, training=None):
        x = self.entry(self.flatten(inputs))
        for block in self.blocks:
            x = block(x, training=training)
        return self.scores(x)


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", choices=["mnist", "fashion_mnist", "digits"], default="mnist")
    parser.add_argument("--epochs", type=int, default=5)
    options = parser.parse_args(arguments)

    lamina.utils.set_random_seed(0)
    source = getattr(lamina.datasets, options.data)
    (x_train, y_train), (x_test, y_test) = source.load_data()
    white = 16 if options.data == "digits" else 255
    x_train, x_test = x_train.astype("float32") / white, x_test.astype("float32") / white

    model = Classifier(10)
    model.compile(
        optimizer=lamina.optimizers.Adam(learning_rate=2e-3),
        loss=lamina.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    model.fit(x_train, y_train, epochs=options.epochs, validation_data=(x_test, y_test), verbose=2)
    model.summary()
    print("A weight of a layer inside:", model.blocks[0].scale.scale.shape)
    return model.evaluate(x_test, y_test, verbose=0)[1]


if __name__ == "__main__":
    main()
