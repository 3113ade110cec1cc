"""Charts computed from a state: plotly figures and equity curves."""
