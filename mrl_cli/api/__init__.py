"""The Python interface: losses of arrays, and what the commands compute of frames; both thin over the same core."""
