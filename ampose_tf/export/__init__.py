"""SavedModel and TFLite files, and the gate that each of them passes."""
