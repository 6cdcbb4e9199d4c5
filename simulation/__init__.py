"""The synthetic CRM world with known truth: demo, test bench and yardstick of later claims."""
