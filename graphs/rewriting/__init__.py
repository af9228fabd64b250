"""What the main method is compared with: the student learns texts instead of questions."""
