"""Is a model just what its table describes? Only then may the static step, which is built from the table, train it."""

from __future__ import annotations

from mobilenet_lib._support.paddle import paddle
from mobilenet_lib.models import TableNetwork


class NotSupported(ValueError):
    """The static graph cannot be built for this model; the message says why."""


def check_supported(model: paddle.nn.Layer, image_shape: tuple[int, ...] | None = None) -> None:
    """NotSupported unless the static step would train just this model, on images [channels, height, width] of this
    shape.

    The static step is built from the model's table. So the model must be what `models.TableNetwork` makes of it: the
    same layers with the same settings, weights of the same shapes that are all trained, no `forward` of its own, no
    hook.
    """
    table = getattr(model, "table", None)
    if table is None or not isinstance(model, TableNetwork):
        raise NotSupported(f"{type(model).__name__} was not built from a table")
    if image_shape is not None and tuple(image_shape) != (3, table.resolution, table.resolution):
        found = "×".join(map(str, image_shape[1:]))
        raise NotSupported(f"its table is for images of {table.resolution}×{table.resolution}, not {found}")
    _check_class(type(model))
    # Without memory for its weights, without their random numbers, and without an effect on the names of later layers.
    with paddle.LazyGuard(), paddle.utils.unique_name.guard():
        expected = TableNetwork(table)
    _check_layers(model, expected)
    _check_weights(model, expected)


def _check_class(own: type) -> None:
    """A class derived from a network may build it otherwise, but not compute otherwise."""
    harmless = {"__init__", "__doc__", "__module__", "__annotations__", "__static_attributes__", "__firstlineno__"}
    for one in own.__mro__[: own.__mro__.index(TableNetwork)]:
        for name in vars(one).keys() & set(dir(TableNetwork)) - harmless:
            raise NotSupported(f"{own.__name__} has a {name} of its own")


def _check_layers(model: paddle.nn.Layer, expected: paddle.nn.Layer) -> None:
    """The same layers by name, with the same settings and the same mode, and nothing hung onto them."""
    found, wanted = (dict(one.named_sublayers(include_self=True)) for one in (model, expected))
    for name in sorted(found.keys() ^ wanted.keys()):
        raise NotSupported(f"the layer {name!r} is {'not in its table' if name in found else 'missing'}")
    if list(found) != list(wanted):
        raise NotSupported("its layers stand in another order than in its table")
    for name, layer in found.items():
        what, other = f"the layer {name!r}" if name else "the model", wanted[name]
        if name and type(layer) is not type(other):
            raise NotSupported(f"{what} is a {type(layer).__name__}, not a {type(other).__name__}")
        if layer._forward_pre_hooks or layer._forward_post_hooks:
            raise NotSupported(f"{what} has a hook")
        for own in vars(layer).keys() & set(dir(type(layer))) - {"training"}:
            if callable(getattr(type(layer), own)):
                raise NotSupported(f"{what} has a {own} of its own")
        if layer.training != model.training:
            raise NotSupported(f"{what} is not in the mode of the others")
        settings = _settings(layer)
        for setting, value in _settings(other).items():
            if settings.get(setting) != value:
                raise NotSupported(f"{what} has {setting.strip('_')} {settings.get(setting)!r}, not {value!r}")


def _settings(layer: paddle.nn.Layer) -> dict[str, object]:
    """Numbers and words of a layer, such as stride, padding, epsilon or the probability of dropout."""
    plain = (bool, int, float, str, tuple, list, type(None))
    apart = {"training", "_built", "_full_name", "_name", "name"}  # modes, and what Paddle notes for itself
    return {name: value for name, value in vars(layer).items() if isinstance(value, plain) and name not in apart}


def _check_weights(model: paddle.nn.Layer, expected: paddle.nn.Layer) -> None:
    found, wanted = (dict(one.named_parameters(remove_duplicate=False)) for one in (model, expected))
    for name in sorted(found.keys() ^ wanted.keys()):
        raise NotSupported(f"the weight {name!r} is {'not in its table' if name in found else 'missing'}")
    if len({id(weight) for weight in found.values()}) < len(found):
        raise NotSupported("a weight stands at two places")
    for name, weight in found.items():
        other = wanted[name]
        if (weight.shape, weight.dtype) != (other.shape, other.dtype):
            raise NotSupported(f"the weight {name!r} is {weight.dtype} {weight.shape}, not {other.dtype} {other.shape}")
        if weight.stop_gradient != other.stop_gradient:
            raise NotSupported(f"the weight {name!r} is {'frozen' if weight.stop_gradient else 'trained'}")
        for own in ("optimize_attr", "regularizer", "need_clip"):
            if getattr(weight, own, None) != getattr(other, own, None):
                raise NotSupported(f"the weight {name!r} has a setting of its own ({own})")
    buffers = {name for name, _ in model.named_buffers()} ^ {name for name, _ in expected.named_buffers()}
    if buffers:
        raise NotSupported(f"the buffer {min(buffers)!r} is not as in its table")
