"""Write ``src/lamina/datasets/data/digits.npz``.

The images are the test set of the UCI data set "Optical Recognition of Handwritten Digits"
(1,797 images of 8x8 pixels, each from 0 to 16), in the order in which scikit-learn's
``load_digits`` has them. Run it in an environment of its own that has scikit-learn::

    python -m venv /tmp/digits && /tmp/digits/bin/pip install scikit-learn
    /tmp/digits/bin/python tools/make_digits.py

The licence (CC BY 4.0) and the citation are in ``LICENSE-digits.txt`` beside the file.
"""

from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits  # pyright: ignore[reportMissingImports]

TARGET = Path(__file__).parents[1] / "src/lamina/datasets/data/digits.npz"


def main() -> None:
    pixels, labels = load_digits(return_X_y=True)
    images = np.reshape(pixels, (-1, 8, 8))
    pixels = images.astype(np.uint8)
    if not np.array_equal(pixels, images) or pixels.max() != 16:
        raise ValueError("The pixels are not whole numbers from 0 to 16.")
    np.savez_compressed(TARGET, x=pixels, y=np.asarray(labels, np.uint8))
    print(f"{TARGET}: {pixels.shape}, {TARGET.stat().st_size} bytes")


if __name__ == "__main__":
    main()
