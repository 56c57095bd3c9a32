"""What every view is made of: HTML that is safe to show, its style, differences, small parts."""
