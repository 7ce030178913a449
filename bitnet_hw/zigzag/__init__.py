"""Export of a workload and its prices to ZigZag."""
