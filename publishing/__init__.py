"""What leaves the house: datasets and adapters with their cards, as other tools load them."""
