"""What runs leave behind, held together: collected, read, shipped."""
