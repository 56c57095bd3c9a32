"""Our workflows on the engine of a real Inngest, through its official SDK."""
