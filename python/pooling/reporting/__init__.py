"""From fits, scores and figures to what is read: tables, predictions and the report.

In come the results of all earlier stages; out come `reports/<study>/tables/*.csv`, among them
least squares, REML and published values for comparison, the numbers in the report's sentences,
`index.html`, and predictions for houses of the reader's own.
"""
