"""What NPsSegNet needs before hours are spent: an encoder of that name, its weights, a model to start from."""

from __future__ import annotations

from emgen.errors import PreflightError, did_you_mean
from emgen_npssegnet.config import NPsSegNetConfig


def check(config: NPsSegNetConfig, device: str) -> None:
    """Raises ``PreflightError``, or ``ModelError`` for an unusable ``start_from``."""
    if config.start_from is not None:
        from emgen.model import model_folder, read_info

        read_info(config.start_from)
        if model_folder(config.start_from).is_file():
            raise PreflightError(
                f"npssegnet: start_from: {config.start_from} is an exported model, which cannot be trained on. Give "
                "the model folder that it was exported from."
            )
        return
    _check_encoder(config.encoder)
    if config.encoder_weights is not None:
        _check_weights(config.encoder, config.encoder_weights)


def _check_encoder(encoder: str) -> None:
    import segmentation_models_pytorch as smp
    import timm

    if encoder.startswith("tu-"):
        known = timm.list_models()
        if encoder.removeprefix("tu-") not in known:
            raise PreflightError(f"npssegnet: timm has no encoder {encoder[3:]!r}.{did_you_mean(encoder[3:], known)}")
    elif encoder not in smp.encoders.encoders:
        known = list(smp.encoders.encoders)
        raise PreflightError(
            f"npssegnet: segmentation-models-pytorch has no encoder {encoder!r}.{did_you_mean(encoder, known)} "
            "A name with `tu-` before it is one of timm's."
        )


def _check_weights(encoder: str, weights: str) -> None:
    """Building the encoder is the only check that also finds a missing download."""
    from emgen_torchkit.networks import encoder_decoder

    try:
        encoder_decoder("unet", encoder, weights=weights)
    except Exception as error:  # the library raises many kinds: KeyError, OSError, hub errors
        raise PreflightError(
            f"npssegnet: weights {weights!r} of encoder {encoder!r} cannot be had ({error}). Connect once "
            "so that they are fetched, or set `encoder_weights: null` to start at random."
        ) from error
