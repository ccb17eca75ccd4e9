"""Record when ModelCheckpoint of a release of Keras saves what, and under which name.

Run once with Keras 2.2.4 and once with Keras 3 (KERAS_BACKEND=jax), each with the name of a file:

    python tools/golden_model_checkpoint.py tests/golden/model_checkpoint_keras3.json
"""

import json
import sys
import warnings

warnings.filterwarnings("ignore")

LOSSES = [0.9, 0.7, 0.8, 0.7, 0.65, 0.66, 0.3]
BATCHES = 4

# Name, arguments, releases; the callback sees two trainings one after another. Keras 3.15 has an
# error in save_best_only between batches, so there is no case of it.
CASES = [
    ("each", {}, (2, 3)),
    ("weights", {"save_weights_only": True, "filepath": "w{epoch:02d}-{val_loss:.2f}"}, (2, 3)),
    ("best", {"save_best_only": True, "filepath": "m{epoch}"}, (2, 3)),
    ("best-max", {"save_best_only": True, "mode": "max", "filepath": "m{epoch}"}, (2, 3)),
    ("best-acc", {"save_best_only": True, "monitor": "acc", "filepath": "m{epoch}"}, (2,)),
    ("missing", {"save_best_only": True, "monitor": "val_auc", "mode": "max"}, (2, 3)),
    ("period", {"period": 3, "filepath": "m{epoch}"}, (2,)),
    ("period-best", {"period": 2, "save_best_only": True, "filepath": "m{epoch}"}, (2,)),
    ("threshold", {"initial_value_threshold": 0.7, "save_best_only": True, "mode": "min"}, (3,)),
    ("batches", {"save_freq": 3, "filepath": "m{epoch}-{batch}"}, (3,)),
    ("batches-long", {"save_freq": 9, "filepath": "m{epoch}-{batch}-{loss:.3f}"}, (3,)),
]


class Model:
    """Stands for a model: notes what is saved."""

    metrics = ()
    optimizer = None

    def __init__(self, noted):
        self.noted = noted

    def save(self, path, overwrite=True):
        self.noted.append(["save", path, overwrite])

    def save_weights(self, path, overwrite=True):
        self.noted.append(["save_weights", path, overwrite])


def batch_loss(epoch, batch):
    """Loss after a batch, falling within an epoch and from one to the next, with one bump."""
    return LOSSES[epoch] + 0.05 * (BATCHES - 1 - batch) + (0.2 if (epoch + batch) % 3 == 1 else 0.0)


def drive(callback):
    """Call the hooks as two trainings would; gives what was saved at each hook."""
    noted, found = [], []
    callback.set_model(Model(noted))
    for training in range(2):
        callback.on_train_begin({})
        for epoch in range(len(LOSSES)):
            callback.on_epoch_begin(epoch, {})
            for batch in range(BATCHES):
                callback_end(callback, batch, {"loss": batch_loss(epoch, batch)})
                found += [[training, epoch, batch, *call] for call in noted]
                noted.clear()
            logs = {"loss": 0.5, "val_loss": LOSSES[epoch], "acc": 1 - LOSSES[epoch] ** 2}
            callback.on_epoch_end(epoch, logs)
            found += [[training, epoch, None, *call] for call in noted]
            noted.clear()
        callback.on_train_end({})
    return found


def callback_end(callback, batch, logs):
    hook = "on_train_batch_end" if hasattr(callback, "on_train_batch_end") else "on_batch_end"
    getattr(callback, hook)(batch, logs)


def main(target):
    import keras

    release = int(keras.__version__[0])
    found = {}
    for name, arguments, releases in CASES:
        if release not in releases:
            continue
        options = dict({"filepath": "m{epoch:03d}"}, **arguments)
        if release == 3:
            tail = ".weights.h5" if options.get("save_weights_only") else ".keras"
            options["filepath"] += tail
        else:
            options["filepath"] += ".h5"
        callback = keras.callbacks.ModelCheckpoint(**options)
        found[name] = {"options": options, "saved": drive(callback)}
    with open(target, "w") as file:
        json.dump({"version": keras.__version__, "cases": found}, file, indent=0)
        file.write("\n")


if __name__ == "__main__":
    main(sys.argv[1])
