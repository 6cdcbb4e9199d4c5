"""How a model is judged: measures with intervals, backtest, promotion gate, pictures."""
