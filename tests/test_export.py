"""A network as an ONNX file, by Keras's own `export`: any number of images, the same answers."""

import numpy as np
import pytest

import kcv
from kcv import kernels

onnxruntime = pytest.importorskip("onnxruntime")
pytest.importorskip("onnxscript")
if not kernels.TORCH:
    pytest.skip("the export of Keras on torch", allow_module_level=True)

DEEP = ["resnet18", "vit_tiny_16", "swin_tiny", "convnext_tiny", "shufflenet_v2_100"]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "name", ["mobilenet_v2_035", *(pytest.param(name, marks=pytest.mark.slow) for name in DEEP)]
)
def test_an_onnx_file_answers_as_the_network_for_any_number_of_images(tmp_path, name):
    net = kcv.models.build(
        name, num_classes=5, image_size=32, stem="medium", normalize=(70.0, 80.0)
    )
    net.export(tmp_path / "net.onnx", format="onnx", verbose=False)
    session = onnxruntime.InferenceSession(tmp_path / "net.onnx")
    for count in (1, 3):
        images = np.random.default_rng(0).uniform(0, 255, (count, 32, 32, 3)).astype("float32")
        theirs = session.run(None, {session.get_inputs()[0].name: images})[0]
        np.testing.assert_allclose(theirs, net.predict(images, verbose=0), rtol=1e-4, atol=1e-5)
