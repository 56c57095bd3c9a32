"""What a person sees and touches in a notebook; each room within has a door of its own."""

__all__: list[str] = []
