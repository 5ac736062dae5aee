"""In-situ series: the stage's drift taken out, particles linked from frame to frame, events, numbers over time.

``emgen.series.following.follow`` takes the label images of a series and writes tracks, events and a figure.
"""
