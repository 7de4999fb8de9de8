"""Stan programs as text, their contract, and their executables."""
