"""emgen in napari: open runs and their results, segment the layer that is shown."""
