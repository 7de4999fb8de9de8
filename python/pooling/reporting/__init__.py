"""From fits, scores and figures to what is read: tables, predictions and the report.

Input: the results of all earlier stages. Output: `reports/<study>/tables/*.csv`, including
least squares, REML and published values for comparison; the pages, whose sentences take their
numbers from these tables; and predictions for houses of the reader's own.
"""
