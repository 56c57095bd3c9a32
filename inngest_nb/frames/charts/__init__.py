"""The charts of frames, drawn as SVG."""
