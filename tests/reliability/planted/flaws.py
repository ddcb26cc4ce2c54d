"""Flaws as they occur in synthetic images, each with the card that must turn and the words that must name it."""

import io
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from PIL import Image
from scipy import ndimage
from tests.reliability.planted.material import Material
from tests.reliability.planted.real_sets import Array, Labeled, RealSet


@dataclass(frozen=True)
class Flaw:
    """A flaw.

    Args:
        name: of the flaw.
        question: the card that must not be good.
        words: a pattern of which one must be in the first reason of the card.
        plant: material → synthetic images with the flaw.
        one_sided: only where left and right can be told apart.
        on_background: only where something dark surrounds what is shown.
        in_2d: only in pictures.
        up_to_border: only where something is shown up to the border.
    """

    name: str
    question: str
    words: str
    plant: Callable[[Material], Labeled]
    one_sided: bool = False
    on_background: bool = False
    in_2d: bool = False
    up_to_border: bool = False

    def fits(self, real_set: RealSet) -> bool:
        flat = _axes(real_set.pool.images[0]) == 2
        sides = real_set.one_sided or not self.one_sided
        misplaced = self.up_to_border if real_set.on_background else self.on_background
        return sides and not misplaced and (flat or not self.in_2d)


def _same_type(values: Array, image: Array) -> Array:
    if np.issubdtype(image.dtype, np.integer):
        limits = np.iinfo(image.dtype)
        return values.round().clip(limits.min, limits.max).astype(image.dtype)
    return values.astype(image.dtype)


def _each(change: Callable[[Array, Material], Array]) -> Callable[[Material], Labeled]:
    """Return a flaw that changes every image in the same way; a change sees values as floats."""

    def plant(material: Material) -> Labeled:
        images = [
            _same_type(change(image.astype(np.float64), material.around(image)), image)
            for image in material.other.images
        ]
        return Labeled(images, material.other.labels)

    return plant


def _axes(image: Array) -> int:
    """The spatial axes: the last axis of a color picture is none."""
    return 2 if image.ndim == 3 and image.shape[-1] == 3 else image.ndim


def _per_axis(image: Array, value: float) -> list[float]:
    return [value] * _axes(image) + [0.0] * (image.ndim - _axes(image))


def half_resolution(image: Array, _: Material) -> Array:
    factors = [0.5] * _axes(image) + [1.0] * (image.ndim - _axes(image))
    soft = ndimage.gaussian_filter(image, _per_axis(image, 0.6))
    small = ndimage.zoom(soft, factors, order=1, grid_mode=True, mode="nearest")
    back = [a / b for a, b in zip(image.shape, small.shape, strict=True)]
    return ndimage.zoom(small, back, order=1, grid_mode=True, mode="nearest")


def blur(image: Array, _: Material) -> Array:
    return ndimage.gaussian_filter(image, _per_axis(image, 1.2))


def noise(image: Array, material: Material) -> Array:
    return image + material.rng.normal(0, 0.08 * material.span, image.shape)


def some_noise_images(material: Material) -> Labeled:
    images = list(material.other.images)
    for place in material.rng.permutation(len(images))[: max(2, round(0.05 * len(images)))]:
        around = material.around(images[place])
        values = around.low + around.span * material.rng.random(images[place].shape)
        images[place] = _same_type(values, images[place])
    return Labeled(images, material.other.labels)


def _typed(change: Callable[[Array, Material], Array]) -> Callable[[Material], Labeled]:
    """Return a flaw whose change decides about the number type itself."""
    return lambda material: Labeled([change(image, material) for image in material.other.images], material.other.labels)


def tenth(image: Array, _: Material) -> Array:
    return (image * np.float32(0.1)).astype(np.float32)


def offset(image: Array, material: Material) -> Array:
    return image.astype(np.float32) + np.float32(1024 if material.span < 2000 else material.span / 2)


def other_depth(image: Array, material: Material) -> Array:
    """8 bits for what has more, 16 bits for what has 8."""
    if image.dtype == np.uint8:
        return image.astype(np.uint16) * 257
    return ((image - material.low) / material.span * 255).clip(0, 255).round().astype(np.uint8)


def clipping(image: Array, _: Material) -> Array:
    return np.minimum(image, np.percentile(image, 85))


def saturation(image: Array, material: Material) -> Array:
    top = material.low + material.span
    return np.minimum(material.low + (image - material.low) * 1.7, top)


def inversion(image: Array, material: Material) -> Array:
    return material.low + material.span - (image - material.low)


def mirrored(image: Array, _: Material) -> Array:
    return image[:, ::-1] if _axes(image) == 2 else image[::-1]


def _variant(image: Array, material: Material) -> Array:
    moved = [*material.rng.normal(0, 0.5, _axes(image)), *[0.0] * (image.ndim - _axes(image))]
    values = ndimage.shift(image.astype(np.float64), moved, order=1, mode="nearest") * material.rng.uniform(0.97, 1.03)
    return _same_type(values + material.rng.normal(0, 0.005 * material.span, image.shape), image)


def mode_collapse(material: Material) -> Labeled:
    modes = material.rng.permutation(len(material.other))[:4]
    places = [int(modes[k % len(modes)]) for k in range(len(material.other))]
    chosen = material.other.take(places)
    return Labeled([_variant(image, material.around(image)) for image in chosen.images], chosen.labels)


def duplicates(material: Material) -> Labeled:
    half = len(material.other) // 2
    places = [k % half if k % 3 else k for k in range(len(material.other))]
    return material.other.take(places)


def _copies(change: Callable[[Array, Material], Array], share: float = 0.2) -> Callable[[Material], Labeled]:
    def plant(material: Material) -> Labeled:
        images = list(material.other.images)
        count = round(share * len(images))
        for place, source in enumerate(material.rng.permutation(len(material.train))[:count]):
            image = material.train.images[source]
            images[place] = _same_type(change(image.astype(np.float64), material.around(image)), image)
        return Labeled(images, material.other.labels)

    return plant


def shifted(image: Array, _: Material) -> Array:
    return ndimage.shift(image, _per_axis(image, 3.0), order=1, mode="nearest")


def a_bit_noisy(image: Array, material: Material) -> Array:
    return image + material.rng.normal(0, 0.04 * material.span, image.shape)


def blended(image: Array, material: Material) -> Array:
    partners = [
        other for other in material.train.images if other.shape == image.shape and not np.array_equal(other, image)
    ]
    return 0.6 * image + 0.4 * partners[int(material.rng.integers(len(partners)))]


def swapped_labels(material: Material) -> Labeled:
    names = sorted(set(material.other.labels))
    turned = dict(zip(names, names[1:] + names[:1], strict=True))
    return Labeled(material.other.images, [turned[label] for label in material.other.labels])


def wrong_labels(material: Material) -> Labeled:
    names = sorted(set(material.other.labels))
    labels = list(material.other.labels)
    for place in material.rng.permutation(len(labels))[: round(0.3 * len(labels))]:
        labels[place] = str(material.rng.choice([name for name in names if name != labels[place]]))
    return Labeled(material.other.images, labels)


def missing_class(material: Material) -> Labeled:
    names = sorted(set(material.other.labels))
    return material.other.take([k for k, label in enumerate(material.other.labels) if label != names[0]])


def brightness(image: Array, material: Material) -> Array:
    return image + 0.15 * material.span


def background(image: Array, material: Material) -> Array:
    """What is darkest becomes grey, as where a model does not learn that air is black."""
    level = material.low + 0.15 * material.span
    return np.where(image < level, level + 0.3 * (image - level), image)


def checkerboard(image: Array, material: Material) -> Array:
    places = np.indices(image.shape[: _axes(image)]).sum(axis=0) % 2
    pattern = (places - 0.5) * 0.08 * material.span
    return image + (pattern[..., None] if image.ndim > _axes(image) else pattern)


def seam(image: Array, material: Material) -> Array:
    """Two patches that do not meet."""
    seamed = image.copy()
    half = image.shape[1] // 2 if _axes(image) == 2 else image.shape[0] // 2
    part = (slice(None), slice(half, None)) if _axes(image) == 2 else (slice(half, None),)
    seamed[part] += 0.12 * material.span
    return seamed


def salt_and_pepper(image: Array, material: Material) -> Array:
    chance = material.rng.random(image.shape[: _axes(image)])
    struck = image.copy()
    struck[chance < 0.015], struck[chance > 0.985] = material.low, material.low + material.span
    return struck


def ringing(image: Array, _: Material) -> Array:
    axes = tuple(range(_axes(image)))
    spectrum = np.fft.fftn(image, axes=axes)
    for axis in axes:
        far = np.abs(np.fft.fftfreq(image.shape[axis])) > 0.22
        spectrum[(*(slice(None),) * axis, far)] = 0
    return np.fft.ifftn(spectrum, axes=axes).real


def few_levels(image: Array, material: Material) -> Array:
    step = material.span / 16
    return material.low + (np.floor((image - material.low) / step) + 0.5) * step


def _along(image: Array, axis: int) -> Array:
    """Return coordinates from -1 to 1 along an axis, in a shape that goes with the image."""
    shape = [1] * image.ndim
    shape[axis] = image.shape[axis]
    return np.linspace(-1, 1, image.shape[axis]).reshape(shape)


def bias_field(image: Array, material: Material) -> Array:
    return material.low + (image - material.low) * np.exp(0.45 * _along(image, 1))


def vignetting(image: Array, material: Material) -> Array:
    """Darker towards the corners, as under a microscope."""
    far = sum(_along(image, axis) ** 2 for axis in range(_axes(image))) / _axes(image)
    return material.low + (image - material.low) * (1 - 0.7 * far)


def ghosts(image: Array, _: Material) -> Array:
    return 0.75 * image + 0.25 * np.roll(image, image.shape[0] // 3, axis=0)


def cut_border(image: Array, material: Material) -> Array:
    cut = np.full_like(image, material.low)
    inside = tuple(slice(length // 8, length - length // 8) for length in image.shape[: _axes(image)])
    cut[inside] = image[inside]
    return cut


def burnt_in(image: Array, material: Material) -> Array:
    marked = image.copy()
    side = max(3, image.shape[0] // 8)
    marked[2 : 2 + side, 2 : 4 + 2 * side : 2] = material.low + material.span
    marked[2, 2 : 4 + 2 * side] = material.low + material.span
    return marked


def transposed_convolution(image: Array, material: Material) -> Array:
    places = np.indices(image.shape[: _axes(image)])
    pattern = ((places % 4 == 0).sum(axis=0) - 0.5) * 0.06 * material.span
    return image + (pattern[..., None] if image.ndim > _axes(image) else pattern)


def wrapped(image: Array, material: Material) -> Array:
    values = (image - material.low) * 1.35
    return material.low + np.where(values > material.span, values - material.span, values)


def compressed(image: Array, _: Material) -> Array:
    """8 bits of each image's own range, so that nothing is clipped."""
    low, span = (0.0, 255.0) if image.max() <= 255 and image.min() >= 0 else (image.min(), np.ptp(image))
    file = io.BytesIO()
    Image.fromarray(((image - low) / span * 255).round().astype(np.uint8)).save(file, "JPEG", quality=10)
    return np.asarray(Image.open(file)) / 255 * span + low


def stretched(image: Array, _: Material) -> Array:
    wide = ndimage.zoom(image, [1, 1.35] + [1] * (image.ndim - 2), order=1, grid_mode=True, mode="nearest")
    start = (wide.shape[1] - image.shape[1]) // 2
    return wide[:, start : start + image.shape[1]]


def blurred_and_bright(image: Array, material: Material) -> Array:
    return blur(image, material) + 0.15 * material.span


def _some(change: Callable[[Array, Material], Array], share: float = 0.2) -> Callable[[Material], Labeled]:
    """Return a flaw of a part of the images."""

    def plant(material: Material) -> Labeled:
        images = list(material.other.images)
        for place in material.rng.permutation(len(images))[: round(share * len(images))]:
            image = images[place]
            images[place] = _same_type(change(image.astype(np.float64), material.around(image)), image)
        return Labeled(images, material.other.labels)

    return plant


FLAWS = (
    Flaw("half resolution", "faithful", "resolution", _each(half_resolution)),
    Flaw("blur", "faithful", "blur", _each(blur)),
    Flaw("noise", "faithful", "noise", _each(noise)),
    Flaw("5 % images of pure noise", "faithful", r"unlike|outlier|noise", some_noise_images),
    Flaw("units: times 0.1", "faithful", "unit", _typed(tenth)),
    Flaw("units: an offset", "faithful", "unit", _typed(offset)),
    Flaw("units: other depth", "faithful", "unit", _typed(other_depth)),
    Flaw("clipped at the 85th percentile", "faithful", "clip|saturat", _each(clipping)),
    Flaw("saturated", "faithful", "clip|saturat", _each(saturation)),
    Flaw("inverted contrast", "faithful", "invert", _each(inversion)),
    Flaw("mirrored", "faithful", "mirror", _each(mirrored), one_sided=True),
    Flaw("mode collapse", "diverse", "collapse|few|repeat", mode_collapse),
    Flaw("duplicates", "diverse", "repeat", duplicates),
    Flaw("exact copies", "private", "same as a training image", _copies(lambda image, _: image)),
    Flaw("shifted copies", "private", "cop", _copies(shifted)),
    Flaw("noisy copies", "private", "cop", _copies(a_bit_noisy)),
    Flaw("blended copies", "private", "cop", _copies(blended)),
    Flaw("swapped labels", "useful", "label", swapped_labels),
    Flaw("30 % wrong labels", "useful", "label", wrong_labels),
    Flaw("a class is missing", "diverse", "class", missing_class),
    Flaw("brighter", "faithful", "bright", _each(brightness)),
    Flaw("grey background", "faithful", "background", _each(background), on_background=True),
    Flaw("checkerboard", "faithful", "checkerboard", _each(checkerboard)),
    Flaw("seam", "faithful", "seam", _each(seam)),
    Flaw("salt and pepper", "faithful", "salt", _each(salt_and_pepper)),
    Flaw("ringing", "faithful", "ring", _each(ringing)),
    Flaw("16 gray levels", "faithful", "gray levels", _each(few_levels)),
    Flaw("bias field", "faithful", "drift", _each(bias_field)),
    Flaw("vignetting", "faithful", "drift|shading", _each(vignetting)),
    Flaw("ghosts", "faithful", "ghost", _each(ghosts)),
    Flaw("cut border", "faithful", "border", _each(cut_border), up_to_border=True),
    Flaw("burnt-in mark", "faithful", "mark", _each(burnt_in)),
    Flaw("grid of transposed convolutions", "faithful", "checkerboard", _each(transposed_convolution)),
    Flaw("wrapped around", "faithful", "wrap", _each(wrapped)),
    Flaw("JPEG at quality 10", "faithful", "JPEG", _each(compressed), in_2d=True),
    Flaw("wrong proportions", "faithful", "proportion", _each(stretched), in_2d=True),
    Flaw("blurred and brighter", "faithful", "blur.*bright|bright.*blur", _each(blurred_and_bright)),
    Flaw("20 % inverted", "faithful", "inverted", _some(inversion)),
    Flaw("20 % mirrored", "faithful", "mirror", _some(mirrored), one_sided=True),
)
