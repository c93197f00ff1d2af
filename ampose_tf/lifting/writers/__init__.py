"""Writers for motion: tables, angles, .trc and .bvh; called by `saving`."""
