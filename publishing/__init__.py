"""What leaves the house: datasets and adapters with their cards, in the forms that other tools load."""
