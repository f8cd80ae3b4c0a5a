"""The pairs of a pandas DataFrame: the same checks, sums and figures as of a file, in chunks, so that memory stays
flat beside the frame.
"""
