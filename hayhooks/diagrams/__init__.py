"""Drawings of pipelines, made here: from a pipeline to a graph, to a layout, to SVG, PNG or text."""
