"""The runs of a real Inngest server as states of workflows."""
