"""From a model to what people see: p, points, tiers, reasons; and the model as one file."""
