"""Exported TFLite models in a browser: a local page runs the very files with LiteRT.js, on a camera or on files."""
