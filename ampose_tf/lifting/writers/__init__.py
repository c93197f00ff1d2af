"""Motion as tables, angles, .trc and .bvh; opened by `saving`."""
