"""The parts of docs/ that are generated from the declarations: `python -m api.reference`."""
