"""The questions and answers that the reader writes and the nano was trained on."""
