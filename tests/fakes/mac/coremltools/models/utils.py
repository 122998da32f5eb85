from pathlib import Path


def compile_model(model, destination_path=None):  # coremltools/models/utils.py
    if not model.rstrip("/").endswith((".mlpackage", ".mlmodel")):
        raise ValueError(f"Invalid model file path: '{model}'.")
    if not destination_path.rstrip("/").endswith(".mlmodelc"):
        raise Exception('"destination_path" parameter must have ".mlmodelc" file extension.')
    Path(destination_path).mkdir()
    (Path(destination_path) / "source").write_text(model)
    return destination_path
