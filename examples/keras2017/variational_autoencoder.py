"""Digits as draws from a few numbers: a variational autoencoder, written as in 2016 and 2017.

python examples/keras2017/variational_autoencoder.py                 # model.add_loss
python examples/keras2017/variational_autoencoder.py --loss layer    # a layer that adds the loss
"""

import argparse

import numpy as np

import lamina as keras
from lamina import backend as K
from lamina import metrics
from lamina.layers import Dense, Input, Lambda, Layer
from lamina.models import Model

ORIGINAL, HIDDEN, LATENT = 64, 48, 4


def sampling(arguments):
    """One draw of the normal distribution that mean and logarithm of the variance describe."""
    mean, log_variance = arguments
    noise = K.random_normal(shape=(K.shape(mean)[0], LATENT), mean=0.0, stddev=1.0)
    return mean + K.exp(log_variance / 2) * noise


def lower_bound(x, decoded, mean, log_variance):
    """What is lost in decoding, and what the distribution costs: one number a row."""
    reconstruction = ORIGINAL * metrics.binary_crossentropy(x, decoded)
    divergence = -0.5 * K.sum(1 + log_variance - K.square(mean) - K.exp(log_variance), axis=-1)
    return reconstruction + divergence


class VariationalLoss(Layer):
    """Pass the picture on, and add the loss: how Keras 2.0 did without ``model.add_loss``."""

    def call(self, inputs):
        self.add_loss(K.mean(lower_bound(*inputs)), inputs=inputs)
        return inputs[1]


def build(kind):
    """The autoencoder, its encoder and its decoder."""
    x = Input(shape=(ORIGINAL,))
    h = Dense(HIDDEN, activation="relu")(x)
    mean = Dense(LATENT, name="mean")(h)
    log_variance = Dense(LATENT, name="log_variance")(h)
    z = Lambda(sampling, output_shape=(LATENT,))([mean, log_variance])

    # Instantiated apart, for use on other codes too.
    decoder_h = Dense(HIDDEN, activation="relu")
    decoder_mean = Dense(ORIGINAL, activation="sigmoid")
    decoded = decoder_mean(decoder_h(z))

    if kind == "layer":
        autoencoder = Model(x, VariationalLoss()([x, decoded, mean, log_variance]))
    else:
        autoencoder = Model(x, decoded)
        autoencoder.add_loss(K.mean(lower_bound(x, decoded, mean, log_variance)))
    autoencoder.compile(optimizer=keras.optimizers.RMSprop(lr=0.002), loss=None)

    code = Input(shape=(LATENT,))
    generator = Model(code, decoder_mean(decoder_h(code)))
    return autoencoder, Model(x, [mean, log_variance]), generator


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--loss", choices=["model", "layer"], default="model")
    parser.add_argument("--epochs", type=int, default=30)
    options = parser.parse_args(arguments)

    keras.utils.set_random_seed(0)
    (x_train, _), (x_test, _) = keras.datasets.digits.load_data()
    x_train = x_train.reshape(len(x_train), ORIGINAL).astype("float32") / 16
    x_test = x_test.reshape(len(x_test), ORIGINAL).astype("float32") / 16
    autoencoder, encoder, generator = build(options.loss)
    history = autoencoder.fit(
        x_train,
        shuffle=True,
        epochs=options.epochs,
        batch_size=100,
        verbose=0,
        validation_data=(x_test, None),
    )
    losses = history.history
    print(f"loss: {losses['loss'][0]:.2f} to {losses['loss'][-1]:.2f}")
    print(f"val_loss: {losses['val_loss'][0]:.2f} to {losses['val_loss'][-1]:.2f}")
    mean, _ = encoder.predict(x_test)
    decoded = generator.predict(mean)
    print(f"mean error of a pixel: {np.abs(decoded - x_test).mean():.3f}")
    return losses, (encoder, generator), np.abs(decoded - x_test).mean()


if __name__ == "__main__":
    main()
