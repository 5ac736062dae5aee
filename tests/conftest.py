"""What several folders of tests share."""

from __future__ import annotations

from pathlib import Path

import pytest

SIDE = 64


@pytest.fixture(scope="session")
def tiny_sam(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SAM of a few thousand parameters, saved as a user's local folder is."""
    import torch
    import transformers

    torch.manual_seed(0)
    vision = transformers.SamVisionConfig(
        hidden_size=16,
        output_channels=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        image_size=SIDE,
        patch_size=8,
        window_size=4,
        global_attn_indexes=[0],
        num_pos_feats=8,
        mlp_ratio=2.0,
        initializer_range=0.02,
    )
    prompt = transformers.SamPromptEncoderConfig(
        hidden_size=16, image_size=SIDE, patch_size=8, mask_input_channels=4, image_embedding_size=8
    )
    decoder = transformers.SamMaskDecoderConfig(
        hidden_size=16, mlp_dim=32, num_hidden_layers=1, num_attention_heads=2, iou_head_hidden_dim=16
    )
    settings = transformers.SamConfig(
        vision_config=vision.to_dict(), prompt_encoder_config=prompt.to_dict(), mask_decoder_config=decoder.to_dict()
    )
    folder = tmp_path_factory.mktemp("tiny-sam")
    model = transformers.SamModel(settings)
    for parameter in model.parameters():  # the library's own start is so small that every mask would be flat
        torch.nn.init.normal_(parameter, std=0.3)
    model.save_pretrained(folder)
    transformers.SamImageProcessor(
        size={"longest_edge": SIDE},
        pad_size={"height": SIDE, "width": SIDE},
        mask_size={"longest_edge": SIDE // 4},
        mask_pad_size={"height": SIDE // 4, "width": SIDE // 4},
    ).save_pretrained(folder)
    return folder
